{
  description = "Start MCP servers with their secrets, in their own systemd scope, from one registry";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      # Of these, what this nixpkgs still has.
      systems = nixpkgs.lib.intersectLists nixpkgs.lib.systems.flakeExposed [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      forAllSystems = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      ofSystem = outputs: pkgs: outputs.${pkgs.stdenv.hostPlatform.system};
    in
    {
      packages = forAllSystems (pkgs: {
        default = pkgs.callPackage ./nix/package.nix { };
        # The bundle on node instead of the native executable.
        on-node = pkgs.callPackage ./nix/package.nix { withExecutable = false; };
      });

      # A launch in the build sandbox, which has neither a user manager nor a home.
      checks = forAllSystems (
        pkgs:
        builtins.mapAttrs (
          name: package:
          pkgs.runCommand "mcp-launch-${name}-launches" { nativeBuildInputs = [ package ]; } ''
            export HOME=$PWD
            echo '{ "servers": { "hello": { "command": "echo", "args": ["hello"] } } }' > servers.json
            [ "$(mcp-launch --registry "$PWD/servers.json" hello)" = hello ]
            touch $out
          ''
        ) (ofSystem self.packages pkgs)
      );

      devShells = forAllSystems (pkgs: {
        default = pkgs.mkShell {
          packages = [
            pkgs.nodejs
            pkgs.age
            pkgs.sops
          ];
        };
      });

      formatter = forAllSystems (pkgs: pkgs.nixfmt-tree);
    };
}
