// Other programs that start a command with a secret in its environment, set up to hand over the same secret.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Each has `how` its secret lies there, what it is set up with (in a directory of its own), and the argv it starts a
 * command with. `it` runs the peer itself, with its output as result.
 */
const PEERS = [
  {
    program: 'sops',
    how: 'a SOPS file, age',
    setUp({ it, file, name, value, recipient }) {
      // exec-env takes a flat file only.
      const plain = file('plain.yaml', `${name}: ${value}\n`)
      file('secret.yaml', it('--encrypt', '--age', recipient, plain))
    },
    argv: (sops, [command, ...args]) => [sops, 'exec-env', 'secret.yaml', [command, ...args].join(' ')],
  },
  {
    program: 'fnox',
    how: 'a value in fnox.toml, age',
    env: ({ key }) => ({ FNOX_AGE_KEY: key }),
    setUp({ it, file, name, value, recipient }) {
      file('fnox.toml', `root = true\n[providers.age]\ntype = "age"\nrecipients = ["${recipient}"]\n\n[secrets]\n`)
      it('set', name, value, '--provider', 'age')
    },
    argv: (fnox, command) => [fnox, 'exec', '--', ...command],
  },
  {
    program: 'secretspec',
    how: 'a .env file, plain',
    setUp({ file, name, value }) {
      const secret = `[profiles.default]\n${name} = { description = "of the demo", required = true }\n`
      file('secretspec.toml', `[project]\nname = "bench"\nrevision = "1.0"\n\n${secret}`)
      file('.env', `${name}=${value}\n`)
    },
    argv: (secretspec, command) => [secretspec, 'run', '--provider', 'dotenv', '--', ...command],
  },
  {
    program: 'dotenvx',
    how: 'a .env file, encrypted',
    setUp({ it, file, name, value }) {
      file('.env', `${name}=${value}\n`)
      it('encrypt', '--quiet')
    },
    argv: (dotenvx, command) => [dotenvx, 'run', '--quiet', '--', ...command],
  },
  {
    program: 'varlock',
    how: 'a .env file, plain',
    env: () => ({ PH_OPT_OUT: 'true' }),
    setUp({ file, name, value }) {
      file('.env.schema', `# @defaultSensitive=true @defaultRequired=true\n# ---\n${name}=\n`)
      file('.env', `${name}=${value}\n`)
    },
    argv: (varlock, command) => [varlock, 'run', '--', ...command],
  },
]

/**
 * The peers that are installed, as contestants that start `command`.
 * @returns {{ contestants: object[], skipped: string[] }} `skipped`: one line each, with the reason
 */
export function peers({ directory, env, secret, command }) {
  const contestants = []
  const skipped = []
  for (const peer of PEERS) {
    const path = onPath(peer.program, env.PATH)
    if (path === undefined) skipped.push(`${peer.program} is not installed`)
    else {
      try {
        contestants.push(enter(peer, path, { directory: join(directory, peer.program), env, secret, command }))
      } catch (error) {
        skipped.push(`${peer.program} could not be set up: ${(error.stderr || error.message).trim().split('\n')[0]}`)
      }
    }
  }
  return { contestants, skipped }
}

function enter(peer, path, { directory, env: shared, secret, command }) {
  const env = { ...shared, PWD: directory, ...peer.env?.(secret) }
  const call = (argv) => execFileSync(argv[0], argv.slice(1), { cwd: directory, env, encoding: 'utf8', stdio: 'pipe' })
  const file = (name, content) => {
    writeFileSync(join(directory, name), content, { mode: 0o600 })
    return name
  }
  mkdirSync(directory, { mode: 0o700 })
  peer.setUp({ ...secret, file, it: (...args) => call([path, ...args]) })
  const handedOver = call(peer.argv(path, ['printenv', secret.name])).trim()
  if (handedOver !== secret.value) throw new Error('it does not hand over the secret')
  return { name: `${peer.program} (${peer.how})`, argv: peer.argv(path, command), env, cwd: directory }
}

export function onPath(program, path) {
  return path
    .split(':')
    .map((directory) => join(directory, program))
    .find((candidate) => {
      try {
        accessSync(candidate, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}
