/** What an environment variable may be called (POSIX, and what shells and systemd take). */
export const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
