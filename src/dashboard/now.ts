import { useSyncExternalStore } from 'react'

const tickMs = 20_000
const tickers = new Set<() => void>()
let now = new Date()
let ticking: number | undefined

/** The time, for everything that shows how long something took so far. */
export function useNow(): Date {
  return useSyncExternalStore(tick, () => now)
}

function tick(ticker: () => void): () => void {
  if (tickers.size === 0) now = new Date()
  tickers.add(ticker)
  ticking ??= window.setInterval(() => {
    now = new Date()
    for (const tell of tickers) tell()
  }, tickMs)
  return () => {
    tickers.delete(ticker)
    if (tickers.size > 0) return
    window.clearInterval(ticking)
    ticking = undefined
  }
}
