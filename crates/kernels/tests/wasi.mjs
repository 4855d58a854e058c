// Runs a wasm32-wasip1 test binary under Node: node tests/wasi.mjs FILE.wasm [ARGUMENTS].
// As a runner: CARGO_TARGET_WASM32_WASIP1_RUNNER="node crates/kernels/tests/wasi.mjs".
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [file, ...rest] = process.argv.slice(2);
const { PROPTEST_CASES } = process.env;
const wasi = new WASI({
  version: "preview1",
  args: [file, ...rest],
  env: PROPTEST_CASES === undefined ? {} : { PROPTEST_CASES },
  preopens: { "/": process.cwd() },
});
// Called through functions of JavaScript: Node 20 died of SIGSEGV at the end of some runs when the module called its
// functions directly.
const imports = {};
for (const [space, functions] of Object.entries(wasi.getImportObject())) {
  imports[space] = {};
  for (const [name, call] of Object.entries(functions)) {
    imports[space][name] = (...numbers) => call(...numbers);
  }
}
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, imports);
process.exitCode = wasi.start(instance);
