/** Begins the profile of a server, and ends it. */
export const PROFILE_SIGNAL = 'SIGUSR2'

/** Where the server puts it, in the folder in which it runs. */
export const PROFILE_FILE = 'bench-profile.json'
