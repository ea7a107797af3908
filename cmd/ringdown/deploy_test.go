package main

import "testing"

func TestTheDeployedConfigurationIsGood(t *testing.T) {
	if r := runCommand(t, nil, "config", "check", "../../deploy/ringdown.yaml"); r.status != 0 {
		t.Errorf("deploy/ringdown.yaml: %s%s", r.out, r.errs)
	}
}
