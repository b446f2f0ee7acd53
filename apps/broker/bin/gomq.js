#!/usr/bin/env node
import '../dist/program/gomq.js'
