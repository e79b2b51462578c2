import { isIPv4, isIPv6 } from 'node:net'
import ipaddr from 'ipaddr.js'

/**
 * An address in one spelling: IPv4 also where it came mapped into IPv6, without the zone of a link and without the port
 * that some proxies add. Null for what is no address.
 */
export function plainAddress(text: string): string | null {
  if (isIPv4(text)) return text
  const bare = /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? text
  if (isIPv4(bare)) return bare
  return isIPv6(bare) ? ipaddr.process(bare.split('%', 1)[0] ?? '').toString() : null
}

/**
 * What failures are counted by: the address itself for IPv4, the /64 for IPv6, since whoever has one address there has
 * them all.
 */
export function networkOf(text: string): string {
  const address = plainAddress(text)
  if (address === null || isIPv4(address)) return address ?? text
  return `${ipaddr.IPv6.networkAddressFromCIDR(`${address}/64`).toString()}/64`
}

/** A name or an address of this machine, or the folder of a socket. */
export const isOfThisMachine = (host: string): boolean => /^(|localhost|127(\.\d+){3}|\[?::1\]?|\/.*)$/.test(host)
