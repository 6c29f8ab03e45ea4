import { type Command, Option } from 'commander'

/** What stands for `<client>`, `[server...]`, … of the command tree. */
export type Choices = Readonly<Record<string, () => readonly string[]>>

/**
 * What may stand in the place of the last of these words: subcommands, what an argument or an option's value may be, or,
 * once it begins with a dash, options. Nothing where that isn't known, and of the server's own arguments.
 *
 * @param words of a command line, without the program's name; the last is as far as it was typed, it may be empty.
 */
export function completionWords(program: Command, choices: Choices, words: readonly string[]): string[] {
  const current = words.at(-1) ?? ''
  const before = words.slice(0, -1)
  if (before.includes('--')) return []
  let command = program
  let operands = 0
  let value: string | undefined
  for (const word of before) {
    const subcommand = operands === 0 ? subcommands(program, command).find((one) => one.name() === word) : undefined
    if (value !== undefined) value = undefined
    else if (word.startsWith('-'))
      value = valueName(options(program, command).find((option) => option.short === word || option.long === word))
    else if (subcommand !== undefined) command = subcommand
    else operands += 1
  }
  const offered = (): readonly string[] => {
    if (value !== undefined) return choices[value]?.() ?? []
    if (current.startsWith('-')) return options(program, command).flatMap(({ long }) => long ?? [])
    const names = operands === 0 ? subcommands(program, command).map((one) => one.name()) : []
    return [...names, ...(choices[argumentName(program, command, operands)]?.() ?? [])]
  }
  return [...new Set(offered())].filter((word) => word.startsWith(current))
}

/** With commander's own `help` of the program; each group of commands has one too, which says nothing else. */
function subcommands(program: Command, command: Command): readonly Command[] {
  const all = command.createHelp().visibleCommands(command)
  return command === program ? all : all.filter((one) => command.commands.includes(one))
}

/** A launch's own option isn't commander's to know (invocation.ts). */
function options(program: Command, command: Command): readonly Option[] {
  const all = command.createHelp().visibleOptions(command)
  return command === program ? [...all, new Option('--registry <file>')] : all
}

/** `client` of `--as <client>`; undefined for an option without a value. */
function valueName(option: Option | undefined): string | undefined {
  return /[<[](.+?)(?:\.\.\.)?[>\]]/.exec(option?.flags ?? '')?.[1]
}

/** A server itself may stand where a command does. */
function argumentName(program: Command, command: Command, index: number): string {
  if (command === program) return index === 0 ? 'server' : ''
  const all = command.registeredArguments
  const argument = all[index] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined)
  return argument?.name() ?? ''
}
