package cli

import "github.com/spf13/cobra"

func (e *env) commands() []*cobra.Command {
	return []*cobra.Command{
		e.initCommand(),
		e.serveCommand(),
		e.idCommand(),
		e.statusCommand(),
		e.reloadCommand(),
		e.stopCommand(),
		e.serviceCommand(),
		e.peerCommand(),
		e.tokenCommand(),
		e.vaultCommand(),
		e.nodeCommand(),
		e.pingCommand(),
		e.callCommand(),
		e.opsCommand(),
		e.proxyCommand(),
		e.sshConfigCommand(),
		e.versionCommand(),
		e.manCommand(),
	}
}
