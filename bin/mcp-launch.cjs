#!/usr/bin/env node
require('../dist/mcp-launch.cjs')
