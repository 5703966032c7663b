package demo

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"sync"
)

// A photo is a small shop front in colours of its own, a signature a scrawl: no two have the same bytes.

func shopPhoto(r *rand.Rand) []byte {
	const w, h = 128, 96
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	sky := color.RGBA{uint8(between(r, 150, 230)), uint8(between(r, 170, 235)), uint8(between(r, 190, 250)), 255}
	for y := range h {
		shade := uint8(y / 3)
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{sky.R - shade, sky.G - shade, sky.B - shade, 255})
		}
	}
	box := func(x0, y0, x1, y1 int, c color.RGBA) {
		for y := max(0, y0); y < min(h, y1); y++ {
			for x := max(0, x0); x < min(w, x1); x++ {
				img.SetRGBA(x, y, c)
			}
		}
	}
	paint := func() color.RGBA {
		return color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
	}
	left, top := between(r, 4, 20), between(r, 18, 34)
	box(left, top, w-left, h-8, paint())
	box(left, top, w-left, top+12, paint()) // the sign over the door
	for i := range between(r, 2, 4) {
		x := left + 6 + i*24
		box(x, top+20, x+between(r, 10, 18), h-between(r, 9, 22), paint())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 55}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// A compressor is large and slow to make; one per goroutine at work is enough for all signatures.
type encoderPool struct{ sync.Pool }

func (p *encoderPool) Get() *png.EncoderBuffer {
	b, _ := p.Pool.Get().(*png.EncoderBuffer)
	return b
}

func (p *encoderPool) Put(b *png.EncoderBuffer) { p.Pool.Put(b) }

var signatureEncoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &encoderPool{}}

var inkOnPaper = color.Palette{color.White, color.RGBA{20, 30, 90, 255}}

func signature(r *rand.Rand) []byte {
	const w, h = 120, 40
	img := image.NewPaletted(image.Rect(0, 0, w, h), inkOnPaper)
	x, y := float64(between(r, 8, 20)), float64(between(r, 12, 28))
	dx, dy := 1.0, r.NormFloat64()
	for range 240 {
		dx += r.NormFloat64()*0.25 + 0.02
		dy += r.NormFloat64()*0.5 + (h/2-y)*0.02
		dx, dy = dx*0.9, dy*0.9
		x, y = x+dx, y+dy
		if x > w-6 {
			x = float64(between(r, 8, 40))
		}
		img.SetColorIndex(int(x), int(y), 1)
		img.SetColorIndex(int(x)+1, int(y), 1)
	}
	var b bytes.Buffer
	if err := signatureEncoder.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}
