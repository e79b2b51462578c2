import { migrate } from '../../src/db/migrate.ts'

// A process that brings a database up to date, for tests that kill it. It says each thing in a line of its own.

const [connection, migrations] = process.argv.slice(2).map((argument) => JSON.parse(argument))
await migrate(connection, (_level, message) => console.log(message), migrations)
