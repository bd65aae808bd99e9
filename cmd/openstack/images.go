package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/urfave/cli/v2"

	"trefoil/internal/initramfs"
	"trefoil/internal/sibling"
	"trefoil/overcloud/deploy"
	"trefoil/overcloud/image"
	"trefoil/overcloud/plan"
	"trefoil/overcloud/session"
	"trefoil/overcloud/stack"
	"trefoil/templates"
	"trefoil/undercloud/image/upload"
	"trefoil/undercloud/ramdisk"
)

func (p *program) imageBuildCommand() *cli.Command {
	return &cli.Command{Name: "build", Usage: "make overcloud-full and the ramdisk from Debian packages", Flags: []cli.Flag{
		&cli.StringFlag{Name: "output-directory", Usage: "where the five files go", Value: "."},
		&cli.StringFlag{Name: "cache-directory", Usage: "packages and work files; may be deleted at any time", Value: "/var/cache/trefoil"},
		&cli.StringFlag{Name: "roles-file", Aliases: []string{"r"}, Usage: "roles whose services name the packages"},
		&cli.BoolFlag{Name: "hardware", Usage: "kernels with the drivers of real machines instead of the small virtio ones"},
		&cli.BoolFlag{Name: "force", Usage: "build even when the files are up to date"},
	}, Action: p.imageBuild}
}

func (p *program) imageBuild(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	agent, err := sibling.Find("ironic-agent")
	if err != nil {
		return err
	}
	apply, err := sibling.Find("os-apply-config")
	if err != nil {
		return err
	}
	packages, err := p.packages(c)
	if err != nil {
		return err
	}
	out, cache := c.String("output-directory"), c.String("cache-directory")
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("make output directory: %w", err)
	}
	began := time.Now()
	flavor, kernel := initramfs.Cloud, ""
	if c.Bool("hardware") {
		flavor, kernel = initramfs.Generic, initramfs.Generic.Package()
	}
	fmt.Fprintln(p.err, "ramdisk: kernel and agent")
	k, err := initramfs.FetchKernel(c.Context, filepath.Join(cache, "kernel"), flavor)
	if err != nil {
		return err
	}
	r, err := ramdisk.Build(c.Context, ramdisk.Options{Kernel: k.Image, ModulesDir: k.ModulesDir, Agent: agent, Flavor: flavor, OutDir: out})
	if err != nil {
		return err
	}
	p.built(r.Kernel, r.Cached)
	p.built(r.Initramfs, r.Cached)
	res, err := image.Build(c.Context, image.Options{Packages: packages, OutputDir: out, CacheDir: filepath.Join(cache, "image"), Kernel: kernel,
		FirstBoot: apply, Force: c.Bool("force"), Progress: p.buildProgress()})
	if err != nil {
		return err
	}
	for _, f := range res.Files {
		p.built(filepath.Join(out, f.Name), res.UpToDate)
	}
	fmt.Fprintf(p.err, "done in %s\n", time.Since(began).Round(time.Second))
	return nil
}

// packages are those that any role's services need.
func (p *program) packages(c *cli.Context) ([]string, error) {
	tree, err := deploy.PackTree(templates.FS, nil)
	if err != nil {
		return nil, err
	}
	in := stack.Input{Tree: tree, Files: map[string]string{}}
	if r := c.String("roles-file"); r != "" {
		data, err := os.ReadFile(r)
		if err != nil {
			return nil, fmt.Errorf("read roles: %w", err)
		}
		in.Files[r], in.RolesFile = string(data), r
	}
	passwords, err := plan.GeneratePasswords(nil, rand.Reader) // nothing of them gets into the image
	if err != nil {
		return nil, err
	}
	// an image serves one controller and several
	in.Parameters = map[string]any{"EnableHighAvailability": "true"}
	made, err := deploy.PlanOf(c.Context, &stack.Stack{Name: "overcloud", Input: in, Passwords: passwords})
	if err != nil {
		return nil, err
	}
	var all []string
	for _, r := range made.Roles {
		all = append(all, r.Packages...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (p *program) built(path string, cached bool) {
	note := ""
	if cached {
		note = " (up to date)"
	}
	size := int64(0)
	if st, err := os.Stat(path); err == nil {
		size = st.Size()
	}
	fmt.Fprintf(p.out, "%s  %d MB%s\n", path, size>>20, note)
}

// buildProgress tells each stage once when it begins and again every while.
func (p *program) buildProgress() func(image.Progress) {
	last, at := "", time.Time{}
	return func(pr image.Progress) {
		if pr.Stage == last && time.Since(at) < 10*time.Second {
			return
		}
		last, at = pr.Stage, time.Now()
		count := ""
		if pr.Total > 0 {
			count = fmt.Sprintf(" %d/%d", pr.Done, pr.Total)
		}
		fmt.Fprintf(p.err, "overcloud-full: %s%s %s %s\n", pr.Stage, count, pr.Note, pr.Elapsed.Round(time.Second))
	}
}

func (p *program) imageUploadCommand() *cli.Command {
	return &cli.Command{Name: "upload", Usage: "upload overcloud-full and the ramdisk", Flags: []cli.Flag{
		&cli.StringFlag{Name: "image-path", Usage: "directory of the files", Value: ".", EnvVars: []string{"IMAGE_PATH"}},
		&cli.StringFlag{Name: "os-image-name", Usage: "file of the disk image", Value: "overcloud-full.qcow2", EnvVars: []string{"OS_IMAGE_NAME"}},
		&cli.StringFlag{Name: "ironic-python-agent-name", Usage: "base name of the ramdisk's files", Value: "ironic-python-agent", EnvVars: []string{"IRONIC_PYTHON_AGENT_NAME", "AGENT_NAME"}},
		&cli.StringFlag{Name: "http-boot", Usage: "accepted; the undercloud serves boot files from the images"},
		&cli.BoolFlag{Name: "update-existing", Usage: "replace images whose content differs"},
		&cli.BoolFlag{Name: "whole-disk", Usage: "upload no kernel and ramdisk of the image"},
		&cli.StringFlag{Name: "architecture", Usage: "prefix of the images' names"},
		&cli.StringFlag{Name: "platform", Usage: "prefix of the images' names; needs --architecture"},
	}, Action: p.imageUpload}
}

// uploadLimit is of one image, with the service's checksums of it: 2.4 GB take half a
// minute on a quiet disk and several on one where machines are deployed meanwhile.
const uploadLimit = time.Hour

func (p *program) imageUpload(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	o := p.sessionOptions(c)
	o.Timeout = uploadLimit
	s, err := session.FromEnv(c.Context, o)
	if err != nil {
		return err
	}
	api, err := s.Image()
	if err != nil {
		return err
	}
	err = upload.Run(c.Context, upload.Options{Client: api, ImagePath: c.String("image-path"), OSImageName: c.String("os-image-name"),
		AgentName: c.String("ironic-python-agent-name"), UpdateExisting: c.Bool("update-existing"), WholeDisk: c.Bool("whole-disk"),
		Architecture: c.String("architecture"), Platform: c.String("platform"), Out: p.out})
	return refusedFile(err)
}

// refusedFile says why the image service refused a file in its own sentence, behind what
// was being done with it.
func refusedFile(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		return session.Explain(err)
	}
	doing, more, _ := strings.Cut(err.Error(), code.Error())
	return fmt.Errorf("%s%w%s", doing, session.Explain(err), more)
}
