#!/usr/bin/env node
require('node:module').enableCompileCache?.()
require('../dist/mcp-launch.cjs')
