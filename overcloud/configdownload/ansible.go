package configdownload

import "embed"

// ansibleFiles are the files that are the same for every plan of a release.
//
//go:embed ansible
var ansibleFiles embed.FS

// fixed reads one of them; they are part of the program.
func fixed(name string) []byte {
	data, err := ansibleFiles.ReadFile("ansible/" + name)
	if err != nil {
		panic(err)
	}
	return data
}

// deploymentsTasks run one deployment on one machine.
func deploymentsTasks() []byte { return fixed("deployments.yaml") }

// ansible writes Ansible's settings and, where there is a playbook, what runs it.
func (m *maker) ansible() error {
	m.files["ansible.cfg"] = fixed("ansible.cfg")
	m.files[".gitignore"] = fixed("gitignore")
	if m.release == wallaby {
		m.files["ansible.cfg"] = fixed("ansible-wallaby.cfg")
	}
	if m.release == ours {
		return nil
	}
	m.files["deployments.yaml"] = deploymentsTasks()
	m.files["templates/heat-config.j2"] = fixed("heat-config.j2")
	if m.files["deploy_steps_playbook.yaml"] != nil {
		m.files["ansible-playbook-command.sh"] = fixed("ansible-playbook-command.sh")
	}
	return nil
}
