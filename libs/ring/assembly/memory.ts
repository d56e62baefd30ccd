/** First byte that the module itself does not use. */
export function heapBase(): i32 {
  return i32(__heap_base);
}
