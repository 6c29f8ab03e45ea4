declare const require: ((name: string) => unknown) | undefined

/**
 * A module of the runtime's own, loaded when it is needed: each costs a launch some of its milliseconds. Node before
 * 20.16 has no `getBuiltinModule`, and must come so far that it can say that it is too old; there the bundle, which is
 * CommonJS, has `require`.
 */
export function builtin<Module>(name: string): Module {
  const module = process.getBuiltinModule?.(name) ?? require?.(name)
  if (module === undefined) throw new Error(`the runtime has no ${name}`)
  return module as Module
}
