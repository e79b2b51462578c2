/** Where to look for an XML declaration; what may stand before it is short. */
const declarationBytesMax = 1024

const singleByte = 'windows-1252'
const claimPattern = /<\?xml\b[^<>]*?\bencoding\s*=?\s*["'“”]?([\w.:-]+)/i

export function decoded(bytes: Buffer, charset: string | undefined): { text: string; asClaimed: boolean } {
  const wide = wideEncodingOf(bytes)
  if (wide) {
    const text = decodedAs(wide, bytes)
    const claim = charset ?? claimIn(text ?? '')
    return {
      text: text ?? new TextDecoder(wide).decode(bytes),
      asClaimed: text !== undefined && (claim === undefined || /16|ucs/i.test(claim)),
    }
  }

  const claimed = encodingCalled(charset ?? claimIn(bytes.toString('latin1', 0, declarationBytesMax)) ?? 'utf-8')
  const utf8 = decodedAs('utf-8', bytes)
  // Text in another encoding is practically never valid UTF-8 by chance, unless it is ASCII and reads the same in all
  // of them.
  if (utf8 !== undefined && (claimed === 'utf-8' || claimed === undefined || /[\u0080-\uffff]/.test(utf8)))
    return { text: utf8, asClaimed: claimed === 'utf-8' }
  const text = claimed === undefined || claimed === 'utf-8' ? undefined : decodedAs(claimed, bytes)
  return { text: text ?? new TextDecoder(singleByte).decode(bytes), asClaimed: text !== undefined }
}

/** UTF-16 shows itself by its byte order mark, or by the NUL beside its first character, which is `<` or a blank. */
function wideEncodingOf([first, second]: Buffer): 'utf-16le' | 'utf-16be' | undefined {
  if ((first === 0xff && second === 0xfe) || (first !== 0 && second === 0)) return 'utf-16le'
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && second !== undefined)) return 'utf-16be'
  return undefined
}

function claimIn(text: string): string | undefined {
  return claimPattern.exec(text.slice(0, declarationBytesMax))?.[1]
}

/**
 * The encoding that a label means (WHATWG Encoding Standard); undefined when it means none, or UTF-16, which would have
 * shown itself.
 */
function encodingCalled(label: string): string | undefined {
  try {
    const { encoding } = new TextDecoder(label)
    return encoding.startsWith('utf-16') ? undefined : encoding
  } catch {
    return undefined
  }
}

function decodedAs(encoding: string, bytes: Buffer): string | undefined {
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}
