import { Command, CommanderError, Option } from 'commander'
import { VERSION } from './build.ts'
import { CLIENT_NAMES } from './check/clients.ts'
import { type CheckOptions, check } from './commands/check.ts'
import { completion, SHELLS } from './commands/completion.ts'
import { explain } from './commands/explain.ts'
import { type GcOptions, gc } from './commands/gc.ts'
import { init } from './commands/init.ts'
import { list } from './commands/list.ts'
import { logs } from './commands/logs.ts'
import { type PsOptions, ps } from './commands/ps.ts'
import { schema } from './commands/schema.ts'
import { clear } from './commands/secrets/clear.ts'
import { refresh } from './commands/secrets/refresh.ts'
import { status } from './commands/secrets/status.ts'
import { type StopOptions, stop } from './commands/stop.ts'
import { type TimerOptions, timerInstall, timerRemove, timerStatus } from './commands/timer.ts'
import { LaunchError } from './errors.ts'
import type { World } from './world.ts'

const AFTER_HELP = `
A launch:  mcp-launch SERVER [-- ARGS…]   stands in the "command" field of an MCP client

Files:     $XDG_CONFIG_HOME/mcp/servers.yaml, or servers.json   the registry (MCP_LAUNCH_REGISTRY, --registry)
Exit:      0; 1 failure; 2 usage or registry error; 75 a secret source is unavailable for now;
           126 the server can't be executed; 127 it isn't found; else the server's own
`

const AFTER_CHECK_HELP = `
Clients:   ${CLIENT_NAMES.join(', ')}
Exit:      0 all is well, warnings and notes included; 1 an error; 2 an error in the registry;
           75 nothing is wrong but that sources are unavailable for now
`

/**
 * Takes a command line apart that is no launch, and runs its command.
 *
 * @returns the exit status.
 * @throws LaunchError `usage` for a command line that doesn't fit, and whatever the command throws.
 */
export async function runCommand(world: World, argv: readonly string[]): Promise<number> {
  let status = 0
  const program = commandTree(world, (code) => {
    status = code
  })
  try {
    await program.parseAsync([...argv], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode !== 0) throw usageError(error)
  }
  return status
}

/** Every command, as `--help` shows it. */
export function commandTree(world: World, end: (status: number) => void): Command {
  const program = new Command('mcp-launch')
    .description('Starts MCP servers with their secrets, in their own systemd scope, from one registry.')
    .usage('[--registry FILE] SERVER [-- ARGS…]\n       mcp-launch COMMAND')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', "print a command's help")
    .addHelpText('after', AFTER_HELP)
    .configureOutput({
      writeOut: (text) => world.terminal.writeOut(text),
      writeErr: (text) => world.terminal.writeError(text),
      outputError: () => {},
    })
    .exitOverride()
  const registry = () => new Option('--registry <file>', 'use this registry')
  const json = () => new Option('--json', 'print JSON')
  // A launch never comes here (invocation.ts); this is its place in the help.
  program
    .command('run <server>')
    .usage('[--registry FILE] SERVER [-- ARGS…]')
    .description('start a server, also one that is named like a command')
    .addOption(registry())
  program
    .command('explain <server>')
    .description('print everything a launch would do, and why, and no secret')
    .addOption(registry())
    .addOption(json())
    .action(async (server: string, options: { registry?: string; json?: boolean }) => {
      end(await explain(world, server, options))
    })
  program
    .command('check [server...]')
    .description('look at all that launches depend on, then start each server and shake hands with it')
    .addOption(registry())
    .addOption(json())
    .option('--as <client>', 'with the environment and the time limit of that client')
    .addHelpText('after', AFTER_CHECK_HELP)
    .action(async (servers: string[], options: CheckOptions) => end(await check(world, servers, options)))
  program
    .command('list')
    .description('print the servers of the registry')
    .addOption(registry())
    .addOption(json())
    .option('--names', 'print the names alone, one a line')
    .action((options: { registry?: string; json?: boolean; names?: boolean }) => list(world, options))
  program
    .command('init')
    .description('write a commented example registry, if there is none')
    .addOption(registry())
    .addOption(json())
    .action((options: { registry?: string; json?: boolean }) => init(world, options))
  program
    .command('schema')
    .description("print the registry's JSON Schema, for editors")
    .addOption(json())
    .action(() => schema(world))
  program
    .command('completion')
    .description('print a completion script')
    .argument('<shell>', SHELLS.join(', '))
    .argument('[words...]', 'after "--", a command line so far: print what may come next')
    .addOption(json())
    .action((shell: string, words: string[], options: { json?: boolean }) =>
      completion(world, program, shell, words, options),
    )
  program
    .command('logs <server>')
    .description('print what a server said on stderr, if it has "logs: file" or "logs: journal"')
    .addOption(registry())
    .addOption(json())
    .option('-f, --follow', 'go on as it comes')
    .option('-n, --lines <count>', 'how many lines of the end', '100')
    .action(async (server: string, options: LogsOptions) => end(await logs(world, server, options)))
  secretsCommands(program, world, end)
  timerCommands(program, world, end)
  lifecycleCommands(program, world, end)
  for (const command of program.commands) command.exitOverride()
  return program
}

interface LogsOptions {
  readonly registry?: string
  readonly json?: boolean
  readonly follow?: boolean
  readonly lines: string
}

interface SecretsOptions {
  readonly registry?: string
  readonly json?: boolean
  readonly due?: boolean
  readonly scheduled?: boolean
  readonly lock?: readonly string[]
}

function secretsCommands(program: Command, world: World, end: (status: number) => void): void {
  const secrets = program.command('secrets').description('the cache of secrets')
  const subcommand = (name: string, description: string) =>
    secrets
      .command(`${name} [server...]`)
      .description(description)
      .addOption(new Option('--registry <file>', 'use this registry'))
      .addOption(new Option('--json', 'print JSON'))
      .exitOverride()
  subcommand('refresh', 'ask the sources anew, for these servers or for all')
    .addOption(new Option('--scheduled', 'for a timer: leave out what was refused a short while ago'))
    .addOption(new Option('--due', 'for a launch: only what is missing or nearly expired').hideHelp())
    .addOption(
      new Option('--lock <nonce>').hideHelp().argParser((nonce, nonces: readonly string[] = []) => [...nonces, nonce]),
    )
    .action(async (servers: string[], options: SecretsOptions) => end(await refresh(world, servers, options)))
  subcommand(
    'status',
    'print what the cache has, its age, and what its sources last said; 1 if something is wrong',
  ).action(async (servers: string[], options: SecretsOptions) => end(await status(world, servers, options)))
  subcommand('clear', 'take values out of the cache, of these servers or references, or all').action(
    (servers: string[], options: SecretsOptions) => clear(world, servers, options),
  )
}

function timerCommands(program: Command, world: World, end: (status: number) => void): void {
  const timer = program.command('timer').description('refresh the cache of secrets by itself, before it expires')
  const subcommand = (name: string, description: string) =>
    timer
      .command(name)
      .description(description)
      .addOption(new Option('--registry <file>', 'use this registry'))
      .addOption(new Option('--json', 'print JSON'))
      .exitOverride()
  subcommand('install', 'a systemd user timer, on macOS a LaunchAgent; else prints a line for a crontab').action(
    (options: TimerOptions) => timerInstall(world, options),
  )
  subcommand('remove', 'take it away').action((options: TimerOptions) => timerRemove(world, options))
  subcommand('status', 'print whether it runs, and when, and how it went; 1 if something is wrong').action(
    async (options: TimerOptions) => end(await timerStatus(world, options)),
  )
}

function lifecycleCommands(program: Command, world: World, end: (status: number) => void): void {
  const json = () => new Option('--json', 'print JSON')
  program
    .command('ps')
    .description('print the running servers: client, age, memory and tasks, state, changed secrets')
    .addOption(new Option('--registry <file>', 'use this registry'))
    .addOption(json())
    .option('--watch', 'again every 2 s')
    .action((options: PsOptions) => ps(world, options))
  program
    .command('stop [server-or-unit]')
    .description('stop a running server and all that it started; all of that name, or the one in a unit')
    .option('--client <pid>', 'only those of this client, or all of them')
    .addOption(json())
    .action(async (name: string | undefined, options: StopOptions) => end(await stop(world, name, options)))
  program
    .command('gc')
    .description('stop the servers that have lost their client, and remove what was left behind')
    .option('--dry-run', 'only say what it would do')
    .addOption(json())
    .addOption(
      new Option('--of-client <pid>', 'for a launch: what earlier servers of this client have left').hideHelp(),
    )
    .action(async (options: GcOptions) => end(await gc(world, options)))
}

/** Commander's own sentence, in our form. */
function usageError(error: CommanderError): LaunchError {
  if (error.code === 'commander.help')
    return new LaunchError('usage', { what: 'no command named', hint: 'name one of these' })
  const [sentence = ''] = error.message.replace(/^error: /, '').split('\n')
  return new LaunchError('usage', {
    what: sentence.replace(/'/g, '"').replace(/\.$/, ''),
    hint: /Did you mean (.*)\?/.exec(error.message)?.[0].toLowerCase().slice(0, -1) ?? 'see mcp-launch --help',
    cause: error,
  })
}
