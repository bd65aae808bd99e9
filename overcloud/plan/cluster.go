package plan

import (
	"fmt"
	"strings"
)

// unclustered warns where several machines run what our templates set up on each by
// itself: the database and the message bus. Such a cloud has several of them that
// know nothing of one another. TripleO's own trees cluster them by Pacemaker.
func (p *Plan) unclustered() []string {
	machines := map[string]int{}
	for _, r := range p.Roles {
		for i := range r.Data {
			if _, ours := r.Data[i].Raw["step_config"].(map[string]any); ours {
				machines[r.Data[i].Name] += r.Count
			}
		}
	}
	var many []string
	for _, name := range []string{"mysql", "rabbitmq"} {
		if machines[name] > 1 {
			many = append(many, fmt.Sprintf("%s on %d machines", name, machines[name]))
		}
	}
	if len(many) == 0 {
		return nil
	}
	return []string{strings.Join(many, ", ") + ": each stands by itself, as no template makes a cluster of them yet, and no virtual address stands before the APIs; one controller is what works"}
}
