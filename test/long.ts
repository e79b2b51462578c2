/** `npm run test:long` sets it: more rounds, more leads, measurements that mean something, pictures of the screens. */
export const isLong = process.env['LONG'] === '1'

/** How much of something a test does: in `npm test`, and in its long form. */
export const amount = (short: number, long: number): number => (isLong ? long : short)
