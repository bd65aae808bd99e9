package api

import (
	"net/http"

	"trefoil/ironic"
)

func historyTable() table[ironic.HistoryEntry] {
	return table[ironic.HistoryEntry]{
		{name: "uuid", get: func(_ *call, e ironic.HistoryEntry) any { return e.UUID }},
		{name: "created_at", get: func(_ *call, e ironic.HistoryEntry) any { return timeText(e.CreatedAt) }},
		{name: "severity", get: func(_ *call, e ironic.HistoryEntry) any { return orNull(e.Severity) }},
		{name: "event_type", get: func(_ *call, e ironic.HistoryEntry) any { return orNull(e.EventType) }},
		{name: "event", get: func(_ *call, e ironic.HistoryEntry) any { return orNull(e.Event) }},
		{name: "conductor", get: func(_ *call, e ironic.HistoryEntry) any { return orNull(e.Conductor) }},
		{name: "user", get: func(_ *call, e ironic.HistoryEntry) any { return orNull(e.User) }},
		{name: "links", get: func(c *call, e ironic.HistoryEntry) any {
			return c.links("nodes/" + e.NodeUUID + "/history/" + e.UUID)
		}},
	}
}

func (s *server) listHistory(c *call) error { return s.sendHistory(c, false) }

func (s *server) listHistoryDetail(c *call) error { return s.sendHistory(c, true) }

func (s *server) sendHistory(c *call, detail bool) error {
	l, err := c.listQuery()
	if err != nil {
		return err
	}
	n, err := c.node()
	if err != nil {
		return err
	}
	entries, err := s.store.History(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	l.detail = l.detail || detail
	path := "nodes/" + n.UUID + "/history"
	if detail {
		path += "/detail"
	}
	return sendList(c, historyTable(), "history", path, l, []string{"uuid", "created_at", "severity", "event"}, entries)
}

func (s *server) getHistory(c *call) error {
	n, err := c.node()
	if err != nil {
		return err
	}
	entries, err := s.store.History(c.ctx(), n.UUID)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.UUID == c.r.PathValue("event") {
			return c.json(http.StatusOK, historyTable().object(c, e, nil))
		}
	}
	return clientError(http.StatusNotFound, "Node history record %s could not be found.", c.r.PathValue("event"))
}
