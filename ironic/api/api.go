package api

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"trefoil/ironic"
	"trefoil/ironic/api/openapi"
	"trefoil/ironic/audit"
	"trefoil/ironic/policy"
)

// Config says what the API stands on.
type Config struct {
	Store     ironic.Store
	Conductor Conductor
	// Auth guards every route except the public ones: /, /v1, /openapi.json, lookup,
	// heartbeat and continue_inspection. Nil means noauth.
	Auth func(http.Handler) http.Handler
	// Caller tells who sent a request that Auth let through; what he may do is a matter
	// of ironic/policy. Nil: everybody may do everything, as with Ironic's noauth.
	Caller func(context.Context) policy.Caller
	// Audit gets one line for each request that may change something: who, what, on
	// which node, and how it ended; never a body or a secret. Nil: nothing is logged.
	Audit       *slog.Logger
	AuditIgnore []string // methods that are not logged, as Ironic's [audit]ignore_req_list
	// BaseURL is what links start with, "http://host:6385". Empty: taken from
	// each request's Host header.
	BaseURL string
	Log     *slog.Logger     // nil: slog.Default()
	Now     func() time.Time // nil: time.Now
}

// server answers the API. It holds no state of its own but what texts says, and is
// safe for concurrent use.
type server struct {
	store     ironic.Store
	conductor Conductor
	baseURL   string
	log       *slog.Logger
	now       func() time.Time
	document  documentOnce
	nodes     table[*ironic.Node]
	ports     table[*ironic.Port]
	texts     nodeTexts
	started   time.Time

	portgroups table[*ironic.Portgroup]
	chassis    table[*ironic.Chassis]
	connectors *volumeKind[ironic.VolumeConnector]
	targets    *volumeKind[ironic.VolumeTarget]

	inspectionRules table[*ironic.InspectionRule]

	caller   func(context.Context) policy.Caller
	policies *policy.Set
	audit    audit.Log
}

// New makes the handler of the whole API, from "/" on.
func New(cfg Config) http.Handler {
	s := newServer(cfg)
	guarded := s.mux(s.guardedRoutes(), nil)
	if cfg.Auth != nil {
		guarded = cfg.Auth(guarded)
	}
	return s.outermost(s.mux(openToAll(s.publicRoutes()), guarded))
}

func newServer(cfg Config) *server {
	s := &server{
		store: cfg.Store, conductor: cfg.Conductor, baseURL: strings.TrimRight(cfg.BaseURL, "/"),
		log: cfg.Log, now: cfg.Now, nodes: nodeTable(), ports: portTable(),
		portgroups: portgroupTable(), chassis: chassisTable(), connectors: connectorKind(), targets: targetKind(),
		inspectionRules: inspectionRuleTable(),
		caller:          cfg.Caller, policies: policy.New(), audit: audit.Log{To: cfg.Audit, Ignore: cfg.AuditIgnore},
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.document = newDocument()
	if s.now == nil {
		s.now = time.Now
	}
	s.started = s.now()
	return s
}

// route is one path of the API with its methods.
type route struct {
	path    string
	since   int  // minor version that brought the path; below it the path does not exist
	lenient bool // answers whatever version is asked for, below since too (ramdisks send their own)
	refuses bool // below since, who writes is told that the method does not exist, not the path
	methods map[string]func(*call) error
	rules   rules // policies by method; what stands neither here nor in rules.go is derived
	open    bool  // asks for no policy
}

// mux routes by path and then by method, so that an unknown path or method
// gets an answer of this API's shape. fallback takes the paths that are not in
// routes; nil means there are none.
func (s *server) mux(routes []route, fallback http.Handler) http.Handler {
	m := http.NewServeMux()
	for _, rt := range routes {
		rt.rules = s.rulesOf(rt)
		m.HandleFunc(rt.path, func(w http.ResponseWriter, r *http.Request) { s.dispatch(w, r, rt) })
	}
	if fallback == nil {
		fallback = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			writeError(w, routerError(http.StatusNotFound))
		})
	}
	m.Handle("/", fallback)
	return m
}

// publicRoutes need no credentials: discovery, and what ramdisks call.
func (s *server) publicRoutes() []route {
	return []route{
		{path: "/{$}", lenient: true, methods: methods{"GET": s.getRoot}},
		{path: openapi.Path, lenient: true, methods: methods{"GET": s.getDocument}},
		{path: "/v1", methods: methods{"GET": s.getV1}},
		{path: "/v1/lookup", since: 22, methods: methods{"GET": s.lookup}},
		{path: "/v1/heartbeat/{node}", since: 22, methods: methods{"POST": s.heartbeat}},
		{path: "/v1/continue_inspection", since: 84, lenient: true, methods: methods{"POST": s.continueInspection}},
	}
}

type methods = map[string]func(*call) error

// guardedRoutes are all others.
func (s *server) guardedRoutes() []route {
	routes := []route{
		{path: "/v1/nodes", methods: methods{"GET": s.listNodes, "POST": s.createNode,
			"DELETE": missing("node_ident"), "PATCH": missing("node_ident")}},
		{path: "/v1/nodes/detail", methods: methods{"GET": s.listNodesDetail}},
		{path: "/v1/nodes/validate", methods: methods{"GET": s.validateByQuery}},
		{path: "/v1/nodes/{node}", methods: methods{"GET": s.getNode, "PATCH": s.patchNode, "DELETE": s.deleteNode}},
		{path: "/v1/ports", methods: methods{"GET": s.listPorts, "POST": s.createPort,
			"DELETE": missing("port_ident"), "PATCH": missing("port_ident")}},
		{path: "/v1/ports/detail", methods: methods{"GET": s.listPortsDetail}},
		{path: "/v1/ports/{port}", methods: methods{"GET": s.getPort, "PATCH": s.patchPort, "DELETE": s.deletePort}},
		{path: "/v1/drivers", methods: methods{"GET": s.listDrivers}},
		{path: "/v1/drivers/{driver}", methods: methods{"GET": s.getDriver}},
		{path: "/v1/drivers/{driver}/properties", methods: methods{"GET": s.driverProperties}},
		{path: "/v1/drivers/{driver}/vendor_passthru/methods", methods: methods{"GET": s.driverVendorMethods}},
		{path: "/v1/drivers/{driver}/raid/logical_disk_properties", since: 12, methods: methods{"GET": s.raidProperties}},
		{path: "/v1/drivers/{driver}/vendor_passthru/{method}", methods: methods{"GET": s.driverVendorCall,
			"POST": s.driverVendorCall, "PUT": s.driverVendorCall, "DELETE": s.driverVendorCall}},
		{path: "/v1/drivers/{driver}/vendor_passthru", methods: methods{"GET": s.driverVendorCall, "POST": s.driverVendorCall,
			"PUT": s.driverVendorCall, "DELETE": s.driverVendorCall}},
		{path: "/v1/conductors", since: 49, methods: methods{"GET": s.listConductors}},
		{path: "/v1/conductors/{host}", since: 49, methods: methods{"GET": s.getConductor}},
		{path: "/v1/shards", since: 82, methods: methods{"GET": s.listShards}},
	}
	routes = append(routes, s.nodeRoutes()...)
	routes = append(routes, s.hardwareRoutes()...)
	routes = append(routes, s.portgroupRoutes()...)
	routes = append(routes, s.chassisRoutes()...)
	routes = append(routes, s.volumeRoutes()...)
	routes = append(routes, s.eventRoutes()...)
	routes = append(routes, s.indicatorRoutes()...)
	routes = append(routes, s.deployTemplateRoutes()...)
	routes = append(routes, s.runbookRoutes()...)
	routes = append(routes, s.inspectionRuleRoutes()...)
	return append(routes, s.allocationRoutes()...)
}

// nodeRoutes are the sub-resources of one node.
func (s *server) nodeRoutes() []route {
	const n = "/v1/nodes/{node}"
	return []route{
		{path: n + "/validate", methods: methods{"GET": s.validateNode}},
		{path: n + "/states", methods: methods{"GET": s.getStates}},
		{path: n + "/states/power", methods: methods{"PUT": s.putPower}},
		{path: n + "/states/provision", methods: methods{"PUT": s.putProvision}},
		{path: n + "/states/raid", since: 12, methods: methods{"PUT": s.putRAID}},
		{path: n + "/maintenance", methods: methods{"PUT": s.setMaintenance, "DELETE": s.unsetMaintenance}},
		{path: n + "/management/boot_device", methods: methods{"GET": s.getBootDevice, "PUT": s.putBootDevice}},
		{path: n + "/management/boot_device/supported", methods: methods{"GET": s.supportedBootDevices}},
		{path: n + "/traits", since: 37, methods: methods{"GET": s.getTraits, "PUT": s.setTraits, "DELETE": s.deleteTraits}},
		{path: n + "/traits/{trait}", since: 37, methods: methods{"PUT": s.addTrait, "DELETE": s.deleteTrait}},
		{path: n + "/vifs", since: 28, methods: methods{"GET": s.listVIFs, "POST": s.attachVIF}},
		{path: n + "/vifs/{vif}", since: 28, methods: methods{"DELETE": s.detachVIF}},
		{path: n + "/history", since: 78, methods: methods{"GET": s.listHistory}},
		{path: n + "/history/detail", since: 78, methods: methods{"GET": s.listHistoryDetail}},
		{path: n + "/history/{event}", since: 78, methods: methods{"GET": s.getHistory}},
		{path: n + "/inventory", since: 81, methods: methods{"GET": s.getInventory}},
		{path: n + "/bios", since: 40, methods: methods{"GET": s.listBIOS}},
		{path: n + "/bios/{setting}", since: 40, methods: methods{"GET": s.getBIOS}},
		{path: n + "/ports", methods: methods{"GET": s.listNodePorts}},
		{path: n + "/ports/detail", methods: methods{"GET": s.listNodePortsDetail}},
		{path: n + "/vendor_passthru/methods", methods: methods{"GET": s.vendorMethods}},
		{path: n + "/vendor_passthru/{method}", methods: methods{"GET": s.vendorCall, "POST": s.vendorCall,
			"PUT": s.vendorCall, "PATCH": s.vendorCall, "DELETE": s.vendorCall}},
		{path: n + "/vendor_passthru", methods: methods{"GET": s.vendorCall, "POST": s.vendorCall,
			"PUT": s.vendorCall, "DELETE": s.vendorCall}},
	}
}

// missing refuses a method that only makes sense on one resource.
func missing(argument string) func(*call) error {
	return func(*call) error {
		return clientError(http.StatusBadRequest, "Missing mandatory parameter: %s", argument)
	}
}
