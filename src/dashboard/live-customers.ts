import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useEffectEvent, useRef } from 'react'
import type { Event, Followed } from './client.ts'
import { customersKey } from './customer-queries.ts'
import { listen } from './event-stream.ts'

// One change shows at once; of many, as when a system sends all it has, nobody reads each.
const readAfterMs = 150
const readAgainMs = 2_000

/** Reads what is shown of customers anew when something happens that concerns it. */
export function useLiveCustomers(concerns: (event: Event) => boolean): void {
  const queries = useQueryClient()
  const timer = useRef<{ waiting?: number; readAt: number }>({ readAt: 0 })
  const hear = useEffectEvent((message: Followed) => {
    if (message.type === 'closed' || (message.type === 'event' && !concerns(message.event))) return
    timer.current.waiting ??= window.setTimeout(
      () => {
        delete timer.current.waiting
        timer.current.readAt = Date.now()
        void queries.invalidateQueries({ queryKey: customersKey })
      },
      Math.max(readAfterMs, timer.current.readAt + readAgainMs - Date.now()),
    )
  })
  useEffect(() => {
    const current = timer.current
    const unlisten = listen((message) => hear(message))
    return () => {
      unlisten()
      window.clearTimeout(current.waiting)
      delete current.waiting
    }
  }, [])
}
