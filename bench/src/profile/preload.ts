import { renameSync, writeFileSync } from 'node:fs'
import { PROFILE_FILE, PROFILE_SIGNAL } from './handover.js'
import { LoopProfiler } from './profiler.js'

// Loaded into a server before its own code (`--import`): the first signal begins its profile, the second ends it and writes it into the folder in
// which the server runs.

let profiler: LoopProfiler | undefined

process.on(PROFILE_SIGNAL, () => {
  if (profiler === undefined) {
    profiler = new LoopProfiler('broker')
    void profiler.start()
  } else void profiler.stop().then(write)
})

function write(profile: unknown): void {
  writeFileSync(`${PROFILE_FILE}.part`, JSON.stringify(profile))
  renameSync(`${PROFILE_FILE}.part`, PROFILE_FILE)
}
