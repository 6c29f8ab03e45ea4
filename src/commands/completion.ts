import type { Command } from 'commander'
import { CLIENT_NAMES } from '../check/clients.ts'
import { LaunchError } from '../errors.ts'
import { COMMANDS } from '../invocation.ts'
import { loadRegistry } from '../registry/load.ts'
import { registryPath } from '../registry/locate.ts'
import type { World } from '../world.ts'
import { completionWords } from './completion-words.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

/* The scripts ask `mcp-launch completion SHELL -- WORDS…` for what may come next, so that they never go out of date. */
const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# mcp-launch completion for bash: source this, or save it as
# ~/.local/share/bash-completion/completions/mcp-launch
_mcp_launch() {
  COMPREPLY=()
  if [[ \${COMP_WORDS[COMP_CWORD-1]} == --registry ]]; then compopt -o default; return; fi
  mapfile -t COMPREPLY < <(mcp-launch completion bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _mcp_launch mcp-launch
`,
  zsh: `#compdef mcp-launch
# mcp-launch completion for zsh: save it as _mcp-launch in a directory of $fpath, or source it after compinit
_mcp-launch() {
  if [[ \${words[CURRENT-1]} == --registry ]] || ((\${words[(I)--]} > 0 && \${words[(I)--]} < CURRENT)); then
    _files
  else
    compadd -- \${(f)"$(mcp-launch completion zsh -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)"}
  fi
}
if [[ \${funcstack[1]} == _mcp-launch ]]; then _mcp-launch "$@"; else compdef _mcp-launch mcp-launch; fi
`,
  fish: `# mcp-launch completion for fish: save it as ~/.config/fish/completions/mcp-launch.fish
function __mcp_launch_words
    set -l before (commandline -opc)
    mcp-launch completion fish -- $before[2..] (commandline -ct) 2>/dev/null
end
complete -c mcp-launch -f -a '(__mcp_launch_words)'
complete -c mcp-launch -l registry -r -F
`,
}

/**
 * `mcp-launch completion SHELL`: a script for that shell. With the words of a command line, what may come next, each in
 * a line of its own.
 */
export function completion(
  world: World,
  program: Command,
  shell: string,
  words: readonly string[],
  { json }: { readonly json?: boolean },
): void {
  const known = SHELLS.find((name) => name === shell)
  if (known === undefined) {
    throw new LaunchError('usage', {
      what: 'no completion for shell',
      subject: shell,
      hint: `mcp-launch completion ${SHELLS.join('|')}`,
    })
  }
  if (words.length === 0) {
    const script = SCRIPTS[known]
    world.terminal.writeOut(json ? `${JSON.stringify({ shell, script }, null, 2)}\n` : script)
    return
  }
  const servers = (): readonly string[] => serverNames(world)
  const choices = {
    server: servers,
    'server-or-unit': servers,
    client: () => CLIENT_NAMES,
    shell: () => SHELLS,
    command: () => COMMANDS,
  }
  const next = completionWords(program, choices, words)
  world.terminal.writeOut(`${json ? JSON.stringify(next, null, 2) : next.join('\n')}\n`)
}

/** None of a registry that is broken: completion is no place for an error. */
function serverNames(world: World): readonly string[] {
  try {
    return [...loadRegistry(world, registryPath(world, undefined)).servers.keys()]
  } catch (error) {
    if (error instanceof LaunchError) return []
    throw error
  }
}
