import { type Config, readConfig } from '../config.ts'

/**
 * The settings of a command: those of the service. A wrong one ends the command with the faults, and without a stack.
 */
export function settings(): Config {
  try {
    return readConfig(process.env)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
