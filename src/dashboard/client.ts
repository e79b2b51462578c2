import type { Event } from '../../generated/dashboard/types.gen.ts'
import { followEvents as followOpenEvents, type Followed as FollowedOpen } from '../client/client.ts'

// What the dashboard asks is more than integrators are handed, so its functions come from the whole contract; how a
// client keeps itself a token, and follows the feed, is the published client's.

export { type Client, connect, connectWith, createClient } from '../client/client.ts'
export * as limits from '../../generated/dashboard/limits.gen.ts'
export { scopesOfKind } from '../../generated/dashboard/scopes.gen.ts'
export * from '../../generated/dashboard/sdk.gen.ts'
export type * from '../../generated/dashboard/types.gen.ts'

export type Followed = Exclude<FollowedOpen, { type: 'event' }> | { type: 'event'; cursor: string; event: Event }

// The cast: others have to pass over values that come later; what is deployed with the service knows them all.
export const followEvents = followOpenEvents as (
  ...options: Parameters<typeof followOpenEvents>
) => AsyncGenerator<Followed, void>
