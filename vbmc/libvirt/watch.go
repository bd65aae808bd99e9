package libvirt

type watcher struct{}

func (*watcher) stop() {}
