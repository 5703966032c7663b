const longest = 1600
const enough = 200 * 1024

/**
 * A photo from the camera as a JPEG of at most 1600 px and about 200 KB.
 * @throws Error with a Chinese message when the file is no picture
 */
export async function compress(file: Blob): Promise<ArrayBuffer> {
  const bitmap = await createImageBitmap(file, { imageOrientation: 'from-image' }).catch(() => { throw new Error('这个文件不是照片，请重新拍') })
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height))
  const canvas = document.createElement('canvas')
  canvas.width = Math.max(1, Math.round(bitmap.width * scale))
  canvas.height = Math.max(1, Math.round(bitmap.height * scale))
  const ground = canvas.getContext('2d')!
  ground.fillStyle = '#fff' // a transparent picture would turn black as JPEG
  ground.fillRect(0, 0, canvas.width, canvas.height)
  ground.drawImage(bitmap, 0, 0, canvas.width, canvas.height)
  bitmap.close()
  let blob: Blob | null = null
  for (const quality of [0.82, 0.7, 0.55, 0.4]) {
    blob = await new Promise<Blob | null>(done => canvas.toBlob(done, 'image/jpeg', quality))
    if (blob && blob.size <= enough) break
  }
  if (!blob) throw new Error('照片没有存下，请重新拍')
  return blob.arrayBuffer()
}
