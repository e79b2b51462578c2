/** Something that was started, and is stopped in the end. */
export interface Part {
  readonly name: string
  stop(): void | Promise<void>
}

/** Stops the last started part first. One that fails is told and keeps none of the others. */
export async function stopParts(parts: readonly Part[], failed: (name: string, error: unknown) => void): Promise<void> {
  for (const { name, stop } of parts.toReversed()) {
    try {
      await stop()
    } catch (error) {
      failed(name, error)
    }
  }
}
