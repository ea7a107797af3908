// The state of the node.

package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

type node struct {
	Name          string `json:"name,omitempty"`
	Version       string `json:"version,omitempty"`
	Started       *stamp `json:"started,omitempty"`
	Draining      bool   `json:"draining"`
	Sessions      int    `json:"sessions"`
	Channels      int    `json:"channels"`
	Subscriptions int    `json:"subscriptions"`
	Publications  uint64 `json:"publications"` // since the start
	Deliveries    uint64 `json:"deliveries"`   // since the start
}

// node tells of this node.
func (a *Handler) node(r *request) (int, any, error) {
	if _, err := r.parameters(); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, a.nodeHere(), nil
}

func (a *Handler) nodeHere() node {
	now := a.hub.Stats()
	answer := node{Channels: now.Channels, Subscriptions: now.Subscriptions, Sessions: a.hub.Sessions(),
		Publications: now.Publications, Deliveries: now.Deliveries}
	if a.options.Node != nil {
		self := a.options.Node()
		answer.Name, answer.Version, answer.Draining = self.Name, self.Version, self.Draining
		if !self.Started.IsZero() {
			answer.Started = &stamp{self.Started}
		}
	}
	return answer
}

type nodeList struct {
	Nodes      []node   `json:"nodes"`
	Incomplete []string `json:"incomplete,omitempty"` // nodes that have not answered
}

// Fellow is a node that has told of itself.
type Fellow struct {
	Node
	Sessions, Channels, Subscriptions int
	Publications, Deliveries          uint64 // since its start
}

// Nodes asks all nodes, this one included, for what they tell of themselves; missing are those that have not answered.
func (a *Handler) Nodes(ctx context.Context) (all []Fellow, missing []string) {
	answers, missing := gather(ctx, a, &question{Op: askNode}, a.nodeHere)
	for _, n := range answers {
		one := Fellow{Node{Name: n.Name, Version: n.Version, Draining: n.Draining}, n.Sessions, n.Channels, n.Subscriptions, n.Publications, n.Deliveries}
		if n.Started != nil {
			one.Started = n.Started.Time
		}
		all = append(all, one)
	}
	return all, missing
}

// nodes tells of all nodes, by name.
func (a *Handler) nodes(r *request) (int, any, error) {
	if _, err := r.parameters(); err != nil {
		return 0, nil, err
	}
	all, missing := gather(r.Context(), a, &question{Op: askNode}, a.nodeHere)
	slices.SortFunc(all, func(x, y node) int { return strings.Compare(x.Name, y.Name) })
	return http.StatusOK, nodeList{all, missing}, nil
}
