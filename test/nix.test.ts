import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..')
const FILES = ['flake.nix', ...readdirSync(join(ROOT, 'nix')).map((name) => `nix/${name}`)]

const installed = spawnSync('nix-instantiate', ['--version']).status === 0
/** CI has it (`.ci/run`), so that there nothing is skipped. */
const without = installed || process.env['CI'] === 'true' ? '' : ' (skipped: no nix-instantiate here)'

/** The dummy store: nothing is built or written, and no Nix has to be set up. */
function nix(...args: string[]): string {
  const { error, status, stdout, stderr } = spawnSync('nix-instantiate', ['--store', 'dummy://', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (error !== undefined || status !== 0) throw error ?? new Error(stderr.trim())
  return stdout
}

/** As much of nixpkgs as the files ask for; what would build something returns what it was given. */
const NIXPKGS = `
  let
    recording = name: arguments: arguments // { type = "derivation"; inherit name; };
    program = name: version: { outPath = "/nix/store/\${name}"; inherit name version; };
    lib = {
      assertMsg = condition: message: if condition then true else throw message;
      fileset = { unions = files: files; toSource = { root, fileset }: map builtins.pathExists fileset; };
      genAttrs = names: make: builtins.listToAttrs (map (name: { inherit name; value = make name; }) names);
      getExe = package: "\${package}/bin/\${package.name}";
      getExe' = package: name: "\${package}/bin/\${name}";
      intersectLists = list: builtins.filter (element: builtins.elem element list);
      importJSON = file: builtins.fromJSON (builtins.readFile file);
      licenses.mit = "MIT";
      optionalAttrs = condition: set: if condition then set else { };
      optionalString = condition: text: if condition then text else "";
      platforms = { linux = [ "linux" ]; darwin = [ "darwin" ]; };
      systems.flakeExposed = [ "aarch64-darwin" "aarch64-linux" "riscv64-linux" "x86_64-linux" ];
      versionAtLeast = version: oldest: builtins.compareVersions version oldest >= 0;
    };
    packagesFor = bunVersion: system: rec {
      inherit lib;
      stdenv = {
        hostPlatform = { inherit system; isLinux = builtins.match ".*-linux" system != null; };
        buildPlatform.canExecute = other: other.system == system;
      };
      buildNpmPackage = recording "package";
      importNpmLock = { __functor = self: { npmRoot }: lib.importJSON (npmRoot + "/package-lock.json"); npmConfigHook = "hook"; };
      nodejs = program "node" "24.0.0";
      bun = program "bun" bunVersion;
      age = program "age" "1";
      sops = program "sops" "3";
      coreutils = program "coreutils" "9";
      util-linux = program "util-linux" "2";
      systemd = program "systemd" "258";
      installShellFiles = "installShellFiles";
      makeBinaryWrapper = "makeBinaryWrapper";
      mkShell = recording "shell";
      nixfmt-tree = program "nixfmt" "1";
      runCommand = name: environment: script: { inherit name environment script; };
      callPackage = file: arguments:
        let function = import file;
        in function (builtins.intersectAttrs (builtins.functionArgs function) packages // arguments);
      packages = packagesFor bunVersion system;
    };
    nixpkgs = bunVersion: {
      inherit lib;
      legacyPackages = lib.genAttrs lib.systems.flakeExposed (packagesFor bunVersion);
    };
    flake = bunVersion:
      let self = (import ./flake.nix).outputs { inherit self; nixpkgs = nixpkgs bunVersion; };
      in self;
  in
`

interface Package {
  readonly src: readonly boolean[]
  readonly version: string
  readonly env: { readonly MCP_LAUNCH_BUILD_TOOLS: string; readonly MCP_LAUNCH_BUILD_BUN: string }
  readonly installPhase: string
  readonly dontStrip: boolean
  readonly dontPatchELF: boolean
}

function evaluate(expression: string): unknown {
  return JSON.parse(nix('--eval', '--strict', '--json', '--expr', `${NIXPKGS} ${expression}`))
}

function packageOf(system: string, name = 'default'): Package {
  return evaluate(`removeAttrs (flake "1.4.4").packages.${system}.${name} [ "npmDeps" ]`) as Package
}

describe.skipIf(without !== '')(`the Nix files${without}`, () => {
  test.for(FILES)('%s can be parsed', (file) => {
    nix('--parse', file)
  })

  test('the package takes what is there, and no tool by a search', () => {
    const { src, version, env, ...built } = packageOf('x86_64-linux')
    expect(src.every(Boolean)).toBe(true)
    expect(version).toMatch(/^\d+\.\d+\.\d+$/)
    expect(JSON.parse(env.MCP_LAUNCH_BUILD_TOOLS)).toEqual({
      env: '/nix/store/coreutils/bin/env',
      prlimit: '/nix/store/util-linux/bin/prlimit',
      setpriv: '/nix/store/util-linux/bin/setpriv',
      'systemd-run': '/nix/store/systemd/bin/systemd-run',
      tail: '/nix/store/coreutils/bin/tail',
    })
    expect(env.MCP_LAUNCH_BUILD_BUN).toBe('/nix/store/bun/bin/bun')
    expect(built).toMatchObject({ dontStrip: true, dontPatchELF: true })
    expect(built.installPhase).not.toContain('/nix/store/node')
  })

  test('without the executable, the bundle runs on node', () => {
    const { env, installPhase } = packageOf('aarch64-linux', 'on-node')
    expect(env.MCP_LAUNCH_BUILD_BUN).toBe('')
    expect(installPhase).toContain('/nix/store/node/bin/node')
  })

  test('nothing of systemd is asked for on macOS', () => {
    expect(packageOf('aarch64-darwin').env.MCP_LAUNCH_BUILD_TOOLS).toBe('{}')
  })

  test('a bun that would read .env from anywhere is refused', () => {
    const build = (bun: string) => evaluate(`(flake "${bun}").packages.x86_64-linux.default.pname`)
    expect(build('1.3.3')).toBe('mcp-launch')
    expect(() => build('1.3.2')).toThrow('the executable needs bun 1.3.3 or newer')
  })

  test.for(['checks', 'devShells', 'formatter'])('the flake has %s', (output) => {
    expect(evaluate(`builtins.attrNames (flake "1.4.4").${output}`)).toContain('x86_64-linux')
    expect(() => evaluate(`builtins.deepSeq (flake "1.4.4").${output}.x86_64-linux true`)).not.toThrow()
  })
})
