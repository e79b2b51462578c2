/** Where browsers use the passkeys of this service. */
export interface Site {
  readonly origin: string
  /** The name that they belong to (WebAuthn, section 4: RP ID). */
  readonly rpId: string
}

/**
 * Undefined where no browser has passkeys: an IP address is no name to keep one for, and http is only trusted on the
 * own machine (WebAuthn, section 5.1.3; Secure Contexts, section 3.1).
 */
export function siteOf(publicUrl: string): Site | undefined {
  const { origin, hostname, protocol } = new URL(publicUrl)
  const isAddress = hostname.startsWith('[') || /^[\d.]+$/.test(hostname)
  const isTrusted = protocol === 'https:' || hostname === 'localhost' || hostname.endsWith('.localhost')
  return isAddress || !isTrusted ? undefined : { origin, rpId: hostname }
}
