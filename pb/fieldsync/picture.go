package fieldsync

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"time"

	"github.com/bep/imagemeta"
	"golang.org/x/image/webp"

	"gangwan/hooks"
)

// maxPixels bounds what a picture may unpack to: a small file can declare a plane of gigabytes, and thumbs are made by decoding.
const maxPixels = 50_000_000

// shot is a picture as it is stored: its image data as sent, without what a camera writes beside it.
type shot struct {
	data      []byte
	extension string
	said      exif
}

// exif is what the camera wrote that is of use; the zero value of each part says nothing.
type exif struct {
	orientation byte // 2 to 8: the image data must be turned or mirrored to be seen upright
	taken       time.Time
	at          *LonLat
}

// cleanPicture checks that the bytes are a whole JPEG, PNG or WebP picture of a bearable size, reads its EXIF, and strips all
// metadata: a stored picture carries no position and nothing about the device. The image data is never encoded anew, so a
// picture that must be turned keeps an EXIF block with the orientation alone. The result is never longer than what was sent.
// An error is a rejection (not_a_picture, too_big).
func cleanPicture(sent []byte) (*shot, error) {
	s := &shot{}
	var strip func([]byte) ([]byte, func([]byte) []byte, bool)
	var config func([]byte) (image.Config, error)
	switch {
	case bytes.HasPrefix(sent, []byte("\xff\xd8\xff")):
		s.extension, strip = ".jpg", stripJPEG
		config = func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) }
	case bytes.HasPrefix(sent, []byte(pngSignature)):
		s.extension, strip = ".png", stripPNG
		config = func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) }
	case len(sent) >= 12 && string(sent[:4]) == "RIFF" && string(sent[8:12]) == "WEBP":
		s.extension, strip = ".webp", stripWebP
		config = func(b []byte) (image.Config, error) { return webp.DecodeConfig(bytes.NewReader(b)) }
	default:
		return nil, reject("file", "not_a_picture")
	}
	block, join, ok := strip(sent)
	if !ok {
		return nil, reject("file", "not_a_picture")
	}
	s.said = readExif(block)
	s.data = join(s.said.minimal())
	if len(s.data) > len(sent) {
		s.data = join(nil) // an EXIF block folded into itself: no camera writes one
	}
	c, err := config(s.data)
	if err != nil || c.Width <= 0 || c.Height <= 0 {
		return nil, reject("file", "not_a_picture")
	}
	if c.Width > maxPixels/c.Height {
		return nil, reject("file", "too_big")
	}
	return s, nil
}

// maxExif is how much of an EXIF block is read; a JPEG cannot hold more.
const maxExif = 64 << 10

// readExif reads a TIFF block. What is broken or impossible says nothing; what was read before it stands.
func readExif(block []byte) (said exif) {
	if len(block) == 0 {
		return exif{}
	}
	text := map[string]string{}
	degrees := map[string]float64{}
	_, _ = imagemeta.Decode(imagemeta.Options{
		R: bytes.NewReader(block[:min(len(block), maxExif)]), ImageFormat: imagemeta.TIFF, Sources: imagemeta.EXIF, LimitNumTags: 1000,
		HandleTag: func(tag imagemeta.TagInfo) error {
			switch v := tag.Value.(type) {
			case uint16:
				if tag.Tag == "Orientation" && tag.Namespace == "IFD0" && v >= 2 && v <= 8 {
					said.orientation = byte(v)
				}
			case string:
				text[tag.Tag] = v
			case float64:
				degrees[tag.Tag] = v
			}
			return nil
		},
	})
	// Without a zone the camera's clock is the district's.
	taken, err := time.ParseInLocation("2006:01:02 15:04:05", text["DateTimeOriginal"], hooks.Shanghai)
	if zoned, zonedErr := time.Parse("2006:01:02 15:04:05Z07:00", text["DateTimeOriginal"]+text["OffsetTimeOriginal"]); zonedErr == nil {
		taken, err = zoned, nil
	}
	if err == nil && taken.Year() >= 2000 {
		said.taken = taken
	}
	at := LonLat{Lon: degrees["GPSLongitude"], Lat: degrees["GPSLatitude"]}
	if text["GPSLongitudeRef"] == "W" {
		at.Lon = -at.Lon
	}
	if text["GPSLatitudeRef"] == "S" {
		at.Lat = -at.Lat
	}
	if at.real() {
		said.at = &LonLat{Lon: math.Round(at.Lon*1e7) / 1e7, Lat: math.Round(at.Lat*1e7) / 1e7} // a centimetre
	}
	return said
}

// real tells whether a position is one: 0,0 stands for none.
func (at LonLat) real() bool {
	return (at.Lon != 0 || at.Lat != 0) && math.Abs(at.Lon) <= 180 && math.Abs(at.Lat) <= 90
}

// minimal is a TIFF block that holds the orientation alone; nil when the picture is upright as it is.
func (e exif) minimal() []byte {
	if e.orientation == 0 {
		return nil
	}
	return []byte{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, // one entry:
		0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, e.orientation, 0, 0, // Orientation, one SHORT
		0, 0, 0, 0} // no further directory
}

// The strippers return the first EXIF block (TIFF bytes) and a function that puts together what remains of the file, with
// the given EXIF block or none. They keep what is known to be image data and drop the rest; ok is false when the file is
// not whole or holds what cannot be understood without decoding it.

const (
	jpegSOI, jpegEOI, jpegSOS, jpegCOM = 0xd8, 0xd9, 0xda, 0xfe
	jpegAPP0, jpegRST0                 = 0xe0, 0xd0
	jpegDHT, jpegDQT, jpegDRI          = 0xc4, 0xdb, 0xdd
)

func stripJPEG(in []byte) (block []byte, join func([]byte) []byte, ok bool) {
	head := []byte{0xff, jpegSOI}
	rest := make([]byte, 0, len(in))
	keep := func(marker byte, body []byte) {
		rest = append(rest, 0xff, marker, byte((len(body)+2)>>8), byte(len(body)+2))
		rest = append(rest, body...)
	}
	frames, scans, jfif := 0, 0, false
	for i := 2; ; {
		// Bytes between segments mean nothing: every decoder skips them.
		for i < len(in) && in[i] != 0xff {
			i++
		}
		for i < len(in) && in[i] == 0xff {
			i++
		}
		if i >= len(in) {
			return nil, nil, false // cut off before its end
		}
		marker := in[i]
		i++
		if marker == 0 || marker&^7 == jpegRST0 {
			continue
		}
		if marker == jpegEOI {
			break // what follows is not this picture: a video, a second picture, a maker's own data
		}
		if i+2 > len(in) {
			return nil, nil, false
		}
		length := int(binary.BigEndian.Uint16(in[i:]))
		if length < 2 || i+length > len(in) {
			return nil, nil, false
		}
		body := in[i+2 : i+length]
		i += length
		switch {
		case marker == jpegAPP0 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			if len(body) < 14 {
				return nil, nil, false
			}
			if !jfif { // without its thumbnail
				jfif = true
				head = append(append(head, 0xff, jpegAPP0, 0, 16), body[:12]...)
				head = append(head, 0, 0)
			}
		case marker == jpegAPP0+1 && bytes.HasPrefix(body, []byte("Exif\x00")) && len(body) > 6:
			if block == nil {
				block = body[6:]
			}
		case marker == jpegAPP0+2 && bytes.HasPrefix(body, []byte("ICC_PROFILE\x00")):
			keep(marker, body)
		case marker == jpegAPP0+14 && bytes.HasPrefix(body, []byte("Adobe")) && len(body) >= 12:
			keep(marker, body[:12]) // how the colours are coded
		case marker&^15 == jpegAPP0 || marker == jpegCOM:
		case marker == 0xc0 || marker == 0xc1 || marker == 0xc2:
			frames++
			keep(marker, body)
		case marker == jpegDHT || marker == jpegDQT || marker == jpegDRI:
			keep(marker, body)
		case marker == jpegSOS:
			scans++
			keep(marker, body)
			from := i
			for i < len(in) && (in[i] != 0xff || i+1 < len(in) && (in[i+1] == 0 || in[i+1] == 0xff || in[i+1]&^7 == jpegRST0)) {
				i++
			}
			rest = append(rest, in[from:i]...)
		default:
			return nil, nil, false
		}
	}
	if frames != 1 || scans == 0 {
		return nil, nil, false
	}
	return block, func(tiff []byte) []byte {
		out := head
		if tiff != nil {
			out = append(append(out, 0xff, jpegAPP0+1, 0, byte(len(tiff)+8)), "Exif\x00\x00"...)
			out = append(out, tiff...)
		}
		return append(append(out[:len(out):len(out)], rest...), 0xff, jpegEOI)
	}, true
}

const pngSignature = "\x89PNG\r\n\x1a\n"

// pngKept are the chunks without which the picture would look different, beside the critical ones.
var pngKept = map[string]bool{"IHDR": true, "PLTE": true, "IDAT": true, "IEND": true,
	"tRNS": true, "gAMA": true, "cHRM": true, "sRGB": true, "iCCP": true, "cICP": true, "sBIT": true, "bKGD": true, "pHYs": true}

func stripPNG(in []byte) (block []byte, join func([]byte) []byte, ok bool) {
	var head []byte
	rest := make([]byte, 0, len(in))
	data := false
	for i := len(pngSignature); ; {
		if len(in)-i < 12 {
			return nil, nil, false
		}
		length := int64(binary.BigEndian.Uint32(in[i:]))
		if length > int64(len(in)-i-12) {
			return nil, nil, false
		}
		kind, end := string(in[i+4:i+8]), i+12+int(length)
		whole, body := in[i:end], in[i+8:end-4]
		i = end
		if kind == "eXIf" && block == nil {
			block = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
		if !pngKept[kind] {
			if kind[0]&0x20 == 0 {
				return nil, nil, false // critical, and unknown
			}
			continue
		}
		if crc32.ChecksumIEEE(whole[4:len(whole)-4]) != binary.BigEndian.Uint32(whole[len(whole)-4:]) || (kind == "IHDR") != (head == nil) {
			return nil, nil, false
		}
		if kind == "IHDR" {
			head = append([]byte(pngSignature), whole...)
			continue
		}
		data = data || kind == "IDAT"
		rest = append(rest, whole...)
		if kind == "IEND" {
			break
		}
	}
	if !data {
		return nil, nil, false
	}
	return block, func(tiff []byte) []byte {
		out := head
		if tiff != nil {
			own := append(binary.BigEndian.AppendUint32(nil, uint32(len(tiff))), "eXIf"...)
			own = append(own, tiff...)
			out = append(append(out, own...), binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(own[4:]))...)
		}
		return append(out[:len(out):len(out)], rest...)
	}, true
}

// The flags of a WebP picture's VP8X chunk.
const webpAnimation, webpEXIF, webpAlpha, webpICC = 0x02, 0x08, 0x10, 0x20

func stripWebP(in []byte) (block []byte, join func([]byte) []byte, ok bool) {
	end := 8 + int64(binary.LittleEndian.Uint32(in[4:]))
	if end > int64(len(in)) {
		return nil, nil, false
	}
	in = in[:end]
	var extended, profile, alpha, picture []byte
	kind := ""
	for i := 12; i < len(in); {
		if len(in)-i < 8 {
			return nil, nil, false
		}
		id, length := string(in[i:i+4]), int64(binary.LittleEndian.Uint32(in[i+4:]))
		padded := length + length&1
		if padded > int64(len(in)-i-8) {
			return nil, nil, false
		}
		body := in[i+8 : i+8+int(length)]
		i += 8 + int(padded)
		switch {
		case id == "VP8X" && extended == nil && picture == nil && len(body) == 10 && body[0]&webpAnimation == 0:
			extended = body
		case id == "VP8X" || id == "ANIM" || id == "ANMF":
			return nil, nil, false // several frames are no photo
		case id == "ICCP":
			profile = body
		case id == "ALPH":
			alpha = body
		case (id == "VP8 " || id == "VP8L") && picture == nil:
			kind, picture = id, body
		case id == "VP8 " || id == "VP8L":
			return nil, nil, false
		case id == "EXIF" && block == nil:
			block = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
	}
	if picture == nil {
		return nil, nil, false
	}
	single, singleErr := webp.DecodeConfig(bytes.NewReader(webpFile(chunk{kind, picture})))
	if singleErr != nil {
		return nil, nil, false
	}
	if extended == nil {
		return nil, func([]byte) []byte { return webpFile(chunk{kind, picture}) }, true
	}
	// The canvas must not be smaller than the picture in it: it is the canvas whose size is judged.
	canvas, canvasErr := webp.DecodeConfig(bytes.NewReader(webpFile(chunk{"VP8X", extended})))
	if canvasErr != nil || canvas.Width != single.Width || canvas.Height != single.Height {
		return nil, nil, false
	}
	return block, func(tiff []byte) []byte {
		flags := append([]byte{extended[0] & webpAlpha, 0, 0, 0}, extended[4:]...)
		chunks := []chunk{{"VP8X", flags}}
		if profile != nil {
			flags[0] |= webpICC
			chunks = append(chunks, chunk{"ICCP", profile})
		}
		if alpha != nil && kind == "VP8 " && extended[0]&webpAlpha != 0 {
			chunks = append(chunks, chunk{"ALPH", alpha})
		}
		chunks = append(chunks, chunk{kind, picture})
		if tiff != nil {
			flags[0] |= webpEXIF
			chunks = append(chunks, chunk{"EXIF", tiff})
		}
		return webpFile(chunks...)
	}, true
}

// chunk is a part of a WebP file: its four-letter name and its bytes.
type chunk struct {
	id   string
	body []byte
}

// webpFile puts a WebP file together.
func webpFile(chunks ...chunk) []byte {
	out := []byte("RIFF\x00\x00\x00\x00WEBP")
	for _, c := range chunks {
		out = append(out, c.id...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(c.body)))
		out = append(out, c.body...)
		if len(c.body)%2 == 1 {
			out = append(out, 0)
		}
	}
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}
