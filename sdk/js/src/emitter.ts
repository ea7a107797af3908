// Listeners of named events.

/** A function that takes a listener out again. */
export type Off = () => void;

/** Calls the listeners of events, in the order in which they came. Events maps an event's name to what its listeners get. */
export class Emitter<Events extends object> {
  #listeners = new Map<keyof Events, Set<(detail: never) => void>>();

  /** Listens, until what is returned is called. A listener that throws stops no other; its error is the program's to handle. */
  on<Name extends keyof Events>(name: Name, listener: (detail: Events[Name]) => void): Off {
    const all = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, all);
    const own = (detail: Events[Name]) => listener(detail); // so that a function added twice can be taken out once
    all.add(own);
    return () => void all.delete(own);
  }

  emit<Name extends keyof Events>(name: Name, detail: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (detail: Events[Name]) => void)(detail);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
