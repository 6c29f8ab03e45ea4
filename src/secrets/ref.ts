/** Where a secret's value comes from. `text` is the reference as the user wrote it: it names the secret in messages. */
export type Ref =
  | { readonly kind: 'op'; readonly text: string }
  | {
      readonly kind: 'sops'
      readonly file: string
      readonly pointer: readonly string[] | undefined
      readonly text: string
    }
  | { readonly kind: 'age'; readonly file: string; readonly text: string }
  | { readonly kind: 'file'; readonly file: string; readonly text: string }
  | { readonly kind: 'env'; readonly name: string; readonly text: string }
  | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]]; readonly text: string }
