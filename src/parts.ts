/** Something that was started, and is stopped in the end. */
export interface Part {
  readonly name: string
  /** `drain`: whether whoever sends requests here is to see it first. */
  stop(drain: boolean): void | Promise<void>
}

/** Stops the last started part first. One that fails is told and keeps none of the others. */
export async function stopParts(
  parts: readonly Part[],
  failed: (name: string, error: unknown) => void,
  drain = false,
): Promise<void> {
  for (const { name, stop } of parts.toReversed()) {
    try {
      await stop(drain)
    } catch (error) {
      failed(name, error)
    }
  }
}
