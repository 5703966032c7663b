/** Something that may be chosen for a field. */
export interface Choice {
  value: string
  label: string
  hint?: string
  /** What typing is compared with, where it is more than the label. */
  seek?: string
}
