/** How far the linker is behind what has happened. */
export interface Lag {
  readonly events: number
  /** Since the oldest of them. */
  readonly seconds: number
}

export const noLag: Lag = { events: 0, seconds: 0 }

/** That of several dealers: all that is left, and for how long the oldest has waited. */
export const lagOf = (behind: readonly Lag[]): Lag => ({
  events: behind.reduce((sum, { events }) => sum + events, 0),
  seconds: behind.reduce((most, { seconds }) => Math.max(most, seconds), 0),
})
