// The state of the node.

package api

import (
	"net/http"
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
	return http.StatusOK, answer, nil
}
