import { LaunchError } from '../errors.ts'
import { COMMANDS } from '../invocation.ts'
import type { World } from '../world.ts'

export const SHELLS = ['bash', 'zsh', 'fish'] as const

/*
 * The scripts ask `mcp-launch list --names` for the servers, so that they never go out of date. It is silent when the
 * registry is broken: completion is no place for an error.
 */
const WORDS = COMMANDS.join(' ')

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# mcp-launch completion for bash: source this, or save it as
# ~/.local/share/bash-completion/completions/mcp-launch
_mcp_launch() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do [[ $word == -- ]] && return; done
  case $previous in
    --registry) compopt -o default; return ;;
    completion) mapfile -t COMPREPLY < <(compgen -W '${SHELLS.join(' ')}' -- "$current"); return ;;
    run | explain | check | logs | stop | refresh | status | clear) mapfile -t COMPREPLY < <(compgen -W "$(mcp-launch list --names 2>/dev/null)" -- "$current"); return ;;
    help) mapfile -t COMPREPLY < <(compgen -W '${WORDS}' -- "$current"); return ;;
  esac
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W '--registry --json --help --version' -- "$current")
  elif ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "${WORDS} $(mcp-launch list --names 2>/dev/null)" -- "$current")
  fi
}
complete -F _mcp_launch mcp-launch
`,
  zsh: `#compdef mcp-launch
# mcp-launch completion for zsh: save it as _mcp-launch in a directory of $fpath, or source it after compinit
_mcp-launch() {
  local -a servers commands shells
  servers=(\${(f)"$(mcp-launch list --names 2>/dev/null)"})
  commands=(${WORDS})
  shells=(${SHELLS.join(' ')})
  if ((\${words[(I)--]} > 0 && \${words[(I)--]} < CURRENT)); then
    _files
  elif [[ \${words[CURRENT-1]} == --registry ]]; then
    _files
  elif [[ \${words[CURRENT]} == -* ]]; then
    compadd -- --registry --json --help --version
  else
    case \${words[CURRENT-1]} in
      run|explain|check|logs|stop|refresh|status|clear) compadd -a servers ;;
      completion) compadd -a shells ;;
      help) compadd -a commands ;;
      *) ((CURRENT == 2)) && compadd -a servers commands ;;
    esac
  fi
}
if [[ \${funcstack[1]} == _mcp-launch ]]; then _mcp-launch "$@"; else compdef _mcp-launch mcp-launch; fi
`,
  fish: `# mcp-launch completion for fish: save it as ~/.config/fish/completions/mcp-launch.fish
function __mcp_launch_servers
    mcp-launch list --names 2>/dev/null
end
complete -c mcp-launch -f
complete -c mcp-launch -n __fish_use_subcommand -a '(__mcp_launch_servers)' -d server
complete -c mcp-launch -n __fish_use_subcommand -a '${WORDS}'
complete -c mcp-launch -n '__fish_seen_subcommand_from run explain check logs stop refresh status clear' -a '(__mcp_launch_servers)' -d server
complete -c mcp-launch -n '__fish_seen_subcommand_from completion' -a '${SHELLS.join(' ')}'
complete -c mcp-launch -l registry -r -F -d 'use this registry'
complete -c mcp-launch -n '__fish_seen_subcommand_from explain list init check ps stop gc logs refresh status clear' -l json -d 'print JSON'
complete -c mcp-launch -n __fish_use_subcommand -s h -l help -d 'print the help'
complete -c mcp-launch -n __fish_use_subcommand -s V -l version -d 'print the version'
`,
}

/** `mcp-launch completion SHELL`: a script for that shell, which knows the commands and the registry's servers. */
export function completion(world: World, shell: string): void {
  const script = SHELLS.includes(shell as (typeof SHELLS)[number]) ? SCRIPTS[shell] : undefined
  if (script === undefined) {
    throw new LaunchError('usage', {
      what: 'no completion for shell',
      subject: shell,
      hint: `mcp-launch completion ${SHELLS.join('|')}`,
    })
  }
  world.terminal.writeOut(script)
}
