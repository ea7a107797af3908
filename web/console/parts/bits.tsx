// Small parts of views: facts, badges, notes of what went wrong, and how fresh something is.

import type { ComponentChildren } from 'preact';
import { ago } from '../format.ts';
import { type Asked, useTick } from '../state.ts';

/** Names and values. */
export function Facts({ children }: { children: ComponentChildren }) {
  return <dl class="facts">{children}</dl>;
}

export function Fact({ name, children, title }: { name: string; children: ComponentChildren; title?: string }) {
  return (
    <div title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export type Tone = 'good' | 'bad' | 'warn' | 'plain' | 'accent';

export function Badge({ tone = 'plain', children }: { tone?: Tone; children: ComponentChildren }) {
  return <span class={`badge ${tone}`}>{children}</span>;
}

/** Why there is no newer answer; nothing if there is one. */
export function Trouble({ asked }: { asked: Asked<unknown> }) {
  if (!asked.error) return null;
  return (
    <p class="trouble" role="alert">
      {asked.error.message} {asked.error.code && <code>{asked.error.code}</code>}
      {asked.value !== undefined && ` What you see is from ${ago(new Date(asked.at).toISOString())}.`}
      <button class="quiet small" type="button" onClick={asked.again}>Try again</button>
    </p>
  );
}

export function Fresh({ asked }: { asked: Asked<unknown> }) {
  useTick(1000);
  return (
    <p class="fresh faint">
      {asked.at > 0 && `updated ${ago(new Date(asked.at).toISOString())}`}
      <button class="quiet small" type="button" onClick={asked.again} aria-busy={asked.busy}>Update</button>
    </p>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** The head of a view. The title takes the focus when one comes to it. */
export function Head({ title, children, lead }: { title: ComponentChildren; children?: ComponentChildren; lead?: ComponentChildren }) {
  return (
    <div class="head">
      <div>
        <h2 tabIndex={-1}>{title}</h2>
        {lead && <p class="faint">{lead}</p>}
      </div>
      {children && <div class="actions">{children}</div>}
    </div>
  );
}
