import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'

/** What an authenticator, or the page before it, may do otherwise than it should. */
export interface Quirks {
  origin?: string
  rpId?: string
  type?: string
  /** Whether it has recognised the person, by a finger or a PIN. */
  isVerified?: boolean
  counter?: number
  crossOrigin?: boolean
  userHandle?: string
  attestation?: Buffer
}

const flags = { present: 1, verified: 4, withKey: 64 }

/**
 * An authenticator in software, with one passkey, that does what it is told: for attacks that no browser makes, and for
 * tests that are about something else. The ceremonies are shown with a browser (test/browser/passkeys.test.ts).
 */
export function authenticator(origin: string) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const id = randomBytes(16)
  let used = 0
  let owner = 'AA'

  const dataOf = ({ rpId = new URL(origin).hostname, isVerified = true, counter }: Quirks, more: number) =>
    Buffer.concat([
      createHash('sha256').update(rpId).digest(),
      Buffer.of(flags.present | (isVerified ? flags.verified : 0) | more),
      fourBytes(counter ?? ++used),
    ])
  const clientOf = (challenge: string, usual: string, quirks: Quirks) =>
    Buffer.from(
      JSON.stringify({
        type: quirks.type ?? usual,
        challenge,
        origin: quirks.origin ?? origin,
        crossOrigin: quirks.crossOrigin ?? false,
      }),
    )
  return {
    id: id.toString('base64url'),
    create(
      { challenge, userHandle }: { challenge: string; userHandle: string },
      name = 'A key of tests',
      quirks: Quirks = {},
    ) {
      owner = userHandle
      const cose = Buffer.concat([
        Buffer.from('a5010203262001215820', 'hex'),
        Buffer.from(x, 'base64url'),
        Buffer.from('225820', 'hex'),
        Buffer.from(y, 'base64url'),
      ])
      const data = Buffer.concat([dataOf(quirks, flags.withKey), Buffer.alloc(16), Buffer.of(0, id.length), id, cose])
      const said = Buffer.concat([
        Buffer.of(0xa3),
        quirks.attestation ?? Buffer.concat([cborText('fmt'), cborText('none'), cborText('attStmt'), Buffer.of(0xa0)]),
        cborText('authData'),
        Buffer.of(0x58, data.length),
        data,
      ])
      return {
        name,
        id: id.toString('base64url'),
        clientDataJSON: clientOf(challenge, 'webauthn.create', quirks).toString('base64url'),
        attestationObject: said.toString('base64url'),
      }
    },
    get({ challenge }: { challenge: string }, quirks: Quirks = {}) {
      const data = dataOf(quirks, 0)
      const client = clientOf(challenge, 'webauthn.get', quirks)
      const signed = Buffer.concat([data, createHash('sha256').update(client).digest()])
      return {
        id: id.toString('base64url'),
        clientDataJSON: client.toString('base64url'),
        authenticatorData: data.toString('base64url'),
        signature: sign('sha256', signed, privateKey).toString('base64url'),
        userHandle: quirks.userHandle ?? owner,
      }
    },
  }
}

export const cborText = (text: string): Buffer => Buffer.concat([Buffer.of(0x60 + text.length), Buffer.from(text)])

function fourBytes(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
