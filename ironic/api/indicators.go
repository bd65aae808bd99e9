package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"trefoil/ironic"
)

// Indicators is what a Conductor may also be: it reads and sets the lamps of
// machines. Invalid: the driver has none, or there is none of that name.
type Indicators interface {
	Indicators(ctx context.Context, ident string) ([]ironic.Indicator, error)
	Indicator(ctx context.Context, ident, component, name string) (state string, err error)
	SetIndicator(ctx context.Context, ident, component, name, state string) error
}

// indicatorRoutes are the lamps of machines. Ironic's documents name one in two
// ways, of which its code knows name@component.
func (s *server) indicatorRoutes() []route {
	const i = "/v1/nodes/{node}/management/indicators"
	return []route{
		{path: i, since: 63, methods: methods{"GET": s.listIndicators}},
		{path: i + "/{indicator}", since: 63, methods: methods{"GET": s.getIndicator, "PUT": s.putIndicator}},
		{path: i + "/{component}/{indicator}", since: 63, methods: methods{"GET": s.getIndicator, "PUT": s.putIndicator}},
	}
}

func (s *server) listIndicators(c *call) error { return s.sendIndicators(c, "") }

// sendIndicators lists the lamps of a component, or all.
func (s *server) sendIndicators(c *call, component string) error {
	n, p, err := hardware[Indicators](s, c, "get_supported_indicators")
	if err != nil {
		return err
	}
	all, err := p.Indicators(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	list := []object{}
	for _, i := range all {
		if component != "" && component != i.Component {
			continue
		}
		name := i.Name + "@" + i.Component
		list = append(list, object{{"name", name}, {"component", i.Component}, {"readonly", i.ReadOnly}, {"states", i.States},
			{"links", c.links("nodes/" + n.UUID + "/management/indicators/" + name)}})
	}
	return c.json(http.StatusOK, object{{"indicators", list}})
}

// indicator names the lamp of the path. Without a name only a component was given.
func (c *call) indicator() (component, name string, err error) {
	name = c.r.PathValue("indicator")
	if component = c.r.PathValue("component"); component != "" {
		return component, name, nil
	}
	name, component, found := strings.Cut(name, "@")
	if found {
		return component, name, nil
	}
	if slices.Contains(ironic.IndicatorComponents(), name) {
		return name, "", nil
	}
	return "", "", badRequest("Malformed indicator name \"%s\"", name)
}

func (s *server) getIndicator(c *call) error {
	component, name, err := c.indicator()
	if err != nil {
		return err
	}
	if name == "" {
		return s.sendIndicators(c, component)
	}
	n, p, err := hardware[Indicators](s, c, "get_indicator_state")
	if err != nil {
		return err
	}
	state, err := p.Indicator(c.ctx(), n.UUID, component, name)
	if err != nil {
		return err
	}
	return c.json(http.StatusOK, object{{"state", state}})
}

func (s *server) putIndicator(c *call) error {
	component, name, err := c.indicator()
	if err != nil {
		return err
	}
	if name == "" {
		return badRequest("Malformed indicator name \"%s\"", component)
	}
	state, err := c.indicatorState()
	if err != nil {
		return err
	}
	n, p, err := hardware[Indicators](s, c, "set_indicator_state")
	if err != nil {
		return err
	}
	if err := p.SetIndicator(c.ctx(), n.UUID, component, name, state); err != nil {
		return err
	}
	return c.status(http.StatusNoContent)
}

// indicatorState reads the state from the body or, as Ironic does, from the query.
func (c *call) indicatorState() (string, error) {
	state := c.r.URL.Query().Get("state")
	if state != "" && c.r.ContentLength == 0 {
		return state, nil
	}
	body, err := c.objectBody(bodyLimit)
	if err != nil {
		return "", err
	}
	if err := only("body", body, "state"); err != nil {
		return "", err
	}
	if len(body) == 0 && state != "" {
		return state, nil
	}
	return text("body", body, "state")
}
