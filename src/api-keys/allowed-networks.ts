import ipaddr from 'ipaddr.js'
import { Problem, type Violation } from '../problem.ts'

const mappedBits = 96

/**
 * The networks that a key may be used from, each once and in one spelling. An address alone is a network of one; what
 * is IPv4 mapped into IPv6 is IPv4.
 *
 * @throws {Problem} `network-invalid`
 */
export function allowedNetworks(texts: readonly string[]): string[] {
  const violations: Violation[] = []
  const networks = texts.map((text, at) => {
    const network = networkIn(text)
    if ('message' in network)
      violations.push({ in: 'body', pointer: `/allowedNetworks/${at}`, message: network.message })
    return 'message' in network ? '' : network.cidr
  })
  if (violations.length > 0) throw new Problem('network-invalid', undefined, { violations })
  return [...new Set(networks)]
}

function networkIn(text: string): { cidr: string } | { message: string } {
  const [address = '', length] = text.split('/', 2)
  const family = ipaddr.IPv4.isValidFourPartDecimal(address) ? 4 : ipaddr.IPv6.isValid(address) ? 6 : 0
  const isSlashed = text.includes('/')
  if (
    family === 0 ||
    address.includes('%') ||
    text.split('/').length > 2 ||
    (isSlashed && !/^\d{1,3}$/.test(length ?? ''))
  )
    return { message: 'must be an address such as 203.0.113.7, or a network such as 203.0.113.0/24 or 2001:db8::/32' }
  const all = family === 4 ? 32 : 128
  const bits = isSlashed ? Number(length) : all
  if (bits > all) return { message: `must have ${all} bits at the most` }

  const plain = ipaddr.process(address)
  const isMapped = family === 6 && plain.kind() === 'ipv4' && bits >= mappedBits
  const whole = isMapped ? plain : ipaddr.parse(address)
  const cidr = `${whole.toString()}/${isMapped ? bits - mappedBits : bits}`
  const network =
    whole.kind() === 'ipv4' ? ipaddr.IPv4.networkAddressFromCIDR(cidr) : ipaddr.IPv6.networkAddressFromCIDR(cidr)
  const begins = `${network.toString()}/${cidr.split('/')[1] ?? ''}`
  // Whoever types one address with the length of its network may have meant either.
  return begins === cidr
    ? { cidr }
    : { message: `is one address within a network: send ${begins}, or ${whole.toString()} alone` }
}

/** As people write it: one address has no length. */
export function networkText(cidr: string): string {
  const [address = '', bits] = cidr.split('/')
  return bits === (ipaddr.IPv4.isValid(address) ? '32' : '128') ? address : cidr
}

/** Whether a key can be used from where it could not before. No networks are all of them. */
export function widens(before: readonly string[], after: readonly string[]): boolean {
  if (before.length === 0) return false
  return after.length === 0 || after.some((network) => !before.some((other) => isWithin(network, other)))
}

function isWithin(network: string, other: string): boolean {
  const [address, bits] = ipaddr.parseCIDR(network)
  const [around, length] = ipaddr.parseCIDR(other)
  return address.kind() === around.kind() && bits >= length && address.match(around, length)
}
