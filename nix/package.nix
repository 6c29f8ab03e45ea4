# pkgs.callPackage ./nix/package.nix { }
{
  lib,
  stdenv,
  buildNpmPackage,
  importNpmLock,
  nodejs,
  bun,
  coreutils,
  util-linux,
  systemd,
  installShellFiles,
  makeBinaryWrapper,
  # One native executable, without node in its closure; else the bundle on node, which starts more slowly.
  withExecutable ? true,
}:

let
  # Older ones don't know the flags that keep the executable from reading .env and bunfig.toml where it is started.
  oldestBun = "1.3.3";

  # Built in as absolute paths: under a client's short PATH nothing has to be searched for.
  tools = lib.optionalAttrs stdenv.hostPlatform.isLinux {
    env = lib.getExe' coreutils "env";
    prlimit = lib.getExe' util-linux "prlimit";
    setpriv = lib.getExe' util-linux "setpriv";
    systemd-run = lib.getExe' systemd "systemd-run";
    tail = lib.getExe' coreutils "tail";
  };
in

assert lib.assertMsg (
  withExecutable -> lib.versionAtLeast bun.version oldestBun
) "mcp-launch: the executable needs bun ${oldestBun} or newer; set withExecutable = false";

buildNpmPackage {
  pname = "mcp-launch";
  inherit ((lib.importJSON ../package.json)) version;
  inherit nodejs;

  src = lib.fileset.toSource {
    root = ../.;
    fileset = lib.fileset.unions [
      ../bin
      ../build.mjs
      ../package-lock.json
      ../package.json
      ../src
    ];
  };

  # From package-lock.json itself: no hash to keep up with it.
  npmDeps = importNpmLock { npmRoot = ../.; };
  inherit (importNpmLock) npmConfigHook;
  # The packages `node` and `bun` bring programs that only run elsewhere; nixpkgs' own take their place.
  npmFlags = [ "--ignore-scripts" ];

  nativeBuildInputs = [
    installShellFiles
    makeBinaryWrapper
  ];

  env = {
    MCP_LAUNCH_BUILD_TOOLS = builtins.toJSON tools;
    MCP_LAUNCH_BUILD_BUN = lib.optionalString withExecutable (lib.getExe bun);
  };

  installPhase = ''
    runHook preInstall
  ''
  + (
    if withExecutable then
      ''
        install -Dm755 dist/mcp-launch "$out/bin/mcp-launch"
        install -Dm644 -t "$out/share/doc/mcp-launch" dist/LICENSES.txt
      ''
    else
      ''
        install -Dm644 -t "$out/lib/mcp-launch/bin" bin/mcp-launch.cjs
        install -Dm644 -t "$out/lib/mcp-launch/dist" dist/*
        makeBinaryWrapper ${lib.getExe nodejs} "$out/bin/mcp-launch" --add-flags "$out/lib/mcp-launch/bin/mcp-launch.cjs"
      ''
  )
  + ''
    runHook postInstall
  '';

  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd mcp-launch \
      --bash <("$out/bin/mcp-launch" completion bash) \
      --zsh <("$out/bin/mcp-launch" completion zsh) \
      --fish <("$out/bin/mcp-launch" completion fish)
  '';

  # The program lies behind the end of bun's own ELF image, which neither of them knows to keep.
  dontStrip = withExecutable;
  dontPatchELF = withExecutable;

  meta = {
    inherit ((lib.importJSON ../package.json)) description;
    license = lib.licenses.mit;
    mainProgram = "mcp-launch";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
