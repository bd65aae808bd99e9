package main

import (
	"context"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"trefoil/internal/sibling"
	"trefoil/undercloud/install"
)

// Labs and tests move what the undercloud keeps, and where it finds /etc.
const (
	stateDirEnv   = "UNDERCLOUD_STATE_DIR"
	configRootEnv = "UNDERCLOUD_CONFIG_ROOT"
)

func (p *program) undercloudCommand() *cli.Command {
	return &cli.Command{Name: "undercloud", Usage: "the service that deploys", Subcommands: []*cli.Command{
		{Name: "install", Usage: "install or change the undercloud as ~/undercloud.conf says", Flags: []cli.Flag{
			&cli.StringFlag{Name: "config", Usage: "configuration file", Value: "undercloud.conf"}}, Action: p.undercloudInstall},
		{Name: "uninstall", Usage: "remove the undercloud with all its nodes and images; its interface is given back", Flags: []cli.Flag{
			&cli.BoolFlag{Name: "purge", Usage: "also forget the passwords"}}, Action: p.undercloudUninstall},
	}}
}

func (p *program) installOptions() (install.Options, error) {
	h, err := home()
	if err != nil {
		return install.Options{}, err
	}
	binary, err := sibling.Find("undercloud")
	if err != nil {
		return install.Options{}, err
	}
	return install.Options{Home: h, Binary: binary, StateDir: os.Getenv(stateDirEnv), ConfigRoot: os.Getenv(configRootEnv), Out: p.out}, nil
}

// asRoot runs the command again through sudo when it needs to: the article types
// it as user stack. handled is true when that has been done.
func (p *program) asRoot(c *cli.Context) (handled bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, fmt.Errorf("find this program: %w", err)
	}
	code, again, err := install.AsRoot(c.Context, install.Elevation{Keep: []string{stateDirEnv, configRootEnv}}, self, os.Args[1:])
	if err != nil || !again {
		return false, err
	}
	if code != 0 {
		return true, silentError(code)
	}
	return true, nil
}

func (p *program) undercloudInstall(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	if handled, err := p.asRoot(c); handled || err != nil {
		return err
	}
	o, err := p.installOptions()
	if err != nil {
		return err
	}
	o.ConfPath = c.String("config")
	if err := install.Run(c.Context, o); err != nil {
		if c.Context.Err() != nil {
			return err
		}
		return silentError(exitFailed) // the installer has told reason and log
	}
	return nil
}

func (p *program) undercloudUninstall(c *cli.Context) error {
	if _, err := args(c); err != nil {
		return err
	}
	if handled, err := p.asRoot(c); handled || err != nil {
		return err
	}
	o, err := p.installOptions()
	if err != nil {
		return err
	}
	return install.Uninstall(context.WithoutCancel(c.Context), o, c.Bool("purge"))
}
