/** What `mcp-launch init` writes. It is valid as it stands, and its one live server needs no secret. */
export const EXAMPLE_REGISTRY = `# The registry of mcp-launch: every MCP server of this machine, once, for all clients.
# For completion and checks in editors: mcp-launch schema > servers.schema.json, in this directory.
# yaml-language-server: $schema=servers.schema.json

# Options for all servers; a server's own go first.
defaults:
  limits: { memoryMax: 2G, tasksMax: 500 }

servers:
  everything:
    description: the reference server of the MCP project; it needs no secret
    command: npx                        # one executable, never a shell line
    args: [-y, "@modelcontextprotocol/server-everything"]
    # path: [~/.local/bin]              # searched before the client's PATH, which is often short

  # github:
  #   command: github-mcp-server
  #   args: [stdio]
  #   env: { GITHUB_TOOLSETS: repos }   # plain values; never a secret
  #   secrets:
  #     # from a file encrypted with SOPS and age; relative to this registry
  #     GITHUB_PERSONAL_ACCESS_TOKEN: sops:secrets/github.yaml#/token

  # notes:
  #   command: uvx
  #   args: [mcp-notes]
  #   secrets:
  #     # from a program of yours: its output, without a shell
  #     NOTES_TOKEN: { command: [pass, show, notes/token] }
  #     # from a file that sops-nix, agenix or systemd provides; the server gets a path
  #     NOTES_CA: { from: file:/run/secrets/notes-ca, as: file }
`
