package fieldsync

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/bep/imagemeta"
	"golang.org/x/image/riff"
	"golang.org/x/image/webp"
)

// tag is an entry of an EXIF directory; a value of more than four bytes is laid behind it.
type tag struct {
	id, kind uint16
	count    uint32
	value    []byte
}

// cameraBlock is what a camera writes: who made it, how it was held, when and where, a maker's own note.
func cameraBlock(orientation byte, offset string) []byte {
	le := binary.LittleEndian
	text := func(id uint16, s string) tag { return tag{id, 2, uint32(len(s) + 1), append([]byte(s), 0)} }
	degrees := func(id uint16, d, m, s uint32) tag {
		var v []byte
		for _, n := range []uint32{d, 1, m, 1, s, 100} {
			v = le.AppendUint32(v, n)
		}
		return tag{id, 5, 3, v}
	}
	directory := func(at int, tags []tag) []byte {
		out := le.AppendUint16(nil, uint16(len(tags)))
		var behind []byte
		for _, t := range tags {
			out = le.AppendUint32(le.AppendUint16(le.AppendUint16(out, t.id), t.kind), t.count)
			if len(t.value) <= 4 {
				out = append(out, append(bytes.Clone(t.value), make([]byte, 4-len(t.value))...)...)
				continue
			}
			out = le.AppendUint32(out, uint32(at+2+12*len(tags)+4+len(behind)))
			behind = append(behind, t.value...)
		}
		return append(le.AppendUint32(out, 0), behind...)
	}
	long := func(id uint16, n int) tag { return tag{id, 4, 1, le.AppendUint32(nil, uint32(n))} }
	taken := []tag{text(0x9003, "2026:08:31 16:20:30"), text(0x927c, "SECRET NOTE")}
	if offset != "" {
		taken = []tag{taken[0], text(0x9011, offset), taken[1]}
	}
	where := []tag{text(1, "N"), degrees(2, 30, 48, 3600), text(3, "E"), degrees(4, 108, 24, 1800)}
	first := func(exifAt, gpsAt int) []byte {
		return directory(8, []tag{text(0x010f, "SECRET MAKER"), {0x0112, 3, 1, []byte{orientation, 0}}, long(0x8769, exifAt), long(0x8825, gpsAt)})
	}
	exifAt := 8 + len(first(0, 0))
	gpsAt := exifAt + len(directory(exifAt, taken))
	out := append([]byte("II*\x00\x08\x00\x00\x00"), first(exifAt, gpsAt)...)
	out = append(out, directory(exifAt, taken)...)
	return append(out, directory(gpsAt, where)...)
}

func segment(marker byte, body string) string {
	return string([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}) + body
}

func testImage() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 24, 16))
	for i := range img.Pix {
		img.Pix[i] = byte(i * 7)
	}
	for y := range 16 {
		for x := range 24 {
			c := img.NRGBAAt(x, y)
			c.A = 255
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

// cameraJPEG is a picture as phones make them, with everything beside the image that the formats know.
func cameraJPEG(orientation byte) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, testImage(), nil)
	return []byte("\xff\xd8" +
		segment(0xe0, "JFIF\x00\x01\x01\x00\x00\x48\x00\x48\x01\x01SEC") + // with a thumbnail of one point
		segment(0xe1, "Exif\x00\x00"+string(cameraBlock(orientation, ""))) +
		segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta>SECRET XMP</x:xmpmeta>") +
		segment(0xe2, "ICC_PROFILE\x00\x01\x01colours") +
		segment(0xe2, "MPF\x00SECRET second picture") +
		segment(0xed, "Photoshop 3.0\x008BIM\x04\x04\x00\x00\x00\x00\x00\x06SECRET") +
		segment(0xfe, "SECRET comment") +
		b.String()[2:] + "SECRET video behind the picture")
}

func pngChunk(kind, body string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(body)))) + kind + body +
		string(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(kind+body))))
}

func cameraPNG(orientation byte) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, testImage())
	const afterIHDR = 8 + 25
	return []byte(b.String()[:afterIHDR] + pngChunk("gAMA", "\x00\x00\xb1\x8f") +
		pngChunk("eXIf", string(cameraBlock(orientation, "+09:00"))) + pngChunk("tEXt", "Author\x00SECRET person") +
		pngChunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00SECRET XMP") + pngChunk("tIME", "SECRET\x00") + b.String()[afterIHDR:] + "SECRET tail")
}

func webpPicture() []byte { // one lossless point
	raw, _ := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	return raw
}

func cameraWebP(orientation byte) []byte {
	return append(webpFile(chunk{"VP8X", []byte{webpEXIF | 0x04 | webpICC, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, chunk{"ICCP", []byte("colours")},
		chunk{"VP8L", webpPicture()[20:33]}, chunk{"EXIF", cameraBlock(orientation, "")}, chunk{"XMP ", []byte("SECRET XMP")}, chunk{"JUNK", []byte("SECRET odd")}),
		"SECRET tail"...)
}

func decodePicture(t testing.TB, data []byte) (image.Image, error) {
	t.Helper()
	switch {
	case bytes.HasPrefix(data, []byte("RIFF")):
		return webp.Decode(bytes.NewReader(data))
	case bytes.HasPrefix(data, []byte(pngSignature)):
		return png.Decode(bytes.NewReader(data))
	}
	return jpeg.Decode(bytes.NewReader(data))
}

func samePoints(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			if color.NRGBA64Model.Convert(a.At(x, y)) != color.NRGBA64Model.Convert(b.At(x, y)) {
				return false
			}
		}
	}
	return true
}

// tagsOf lists what a reader of metadata finds in a picture.
func tagsOf(data []byte) (names []string) {
	read := func(kind imagemeta.ImageFormat, data []byte) {
		_, _ = imagemeta.Decode(imagemeta.Options{R: bytes.NewReader(data), ImageFormat: kind, Sources: imagemeta.EXIF | imagemeta.XMP | imagemeta.IPTC,
			ShouldHandleTag: func(imagemeta.TagInfo) bool { return true },
			HandleTag:       func(tag imagemeta.TagInfo) error { names = append(names, tag.Tag); return nil }})
	}
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xd8")):
		read(imagemeta.JPEG, data)
	case bytes.HasPrefix(data, []byte(pngSignature)):
		read(imagemeta.PNG, data)
	default: // the library loses its way behind a chunk of odd length
		_, chunks, err := riff.NewReader(bytes.NewReader(data))
		for err == nil {
			var id riff.FourCC
			var body io.Reader
			if id, _, body, err = chunks.Next(); err != nil {
				break
			}
			block, _ := io.ReadAll(body)
			switch string(id[:]) {
			case "EXIF":
				read(imagemeta.TIFF, block)
			case "VP8X", "VP8L", "VP8 ", "ALPH", "ICCP":
			default:
				names = append(names, string(id[:]))
			}
		}
	}
	return names
}

func TestAStoredPictureTellsNeitherWhereItWasTakenNorByWhichPhone(t *testing.T) {
	for name, make := range map[string]func(byte) []byte{".jpg": cameraJPEG, ".png": cameraPNG, ".webp": cameraWebP} {
		for _, orientation := range []byte{1, 6} {
			sent := make(orientation)
			if !bytes.Contains(sent, []byte("SECRET")) || len(tagsOf(sent)) < 8 {
				t.Fatalf("%s: nothing to strip: %v", name, tagsOf(sent))
			}
			s, err := cleanPicture(sent)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if s.extension != name {
				t.Errorf("%s taken for %s", name, s.extension)
			}
			if bytes.Contains(s.data, []byte("SEC")) {
				t.Errorf("%s: what the camera wrote is stored: %q", name, s.data)
			}
			if got, want := strings.Join(tagsOf(s.data), " "), map[byte]string{1: "", 6: "Orientation"}[orientation]; got != want {
				t.Errorf("%s: stored with %q, want %q", name, got, want)
			}
			if orientation == 1 && bytes.Contains(bytes.ToLower(s.data), []byte("exif")) {
				t.Errorf("%s: an upright picture needs no EXIF", name)
			}
			if name != ".png" && !bytes.Contains(s.data, []byte("colours")) {
				t.Errorf("%s: the colour profile is lost", name)
			}
			before, err := decodePicture(t, sent)
			if err != nil {
				t.Fatal(err)
			}
			after, err := decodePicture(t, s.data)
			if err != nil || !samePoints(before, after) {
				t.Errorf("%s: the picture itself has changed: %v", name, err)
			}
			if len(s.data) > len(sent) {
				t.Errorf("%s: grew from %d to %d bytes", name, len(sent), len(s.data))
			}
			// A stored picture that is sent again is already clean.
			again, err := cleanPicture(s.data)
			if err != nil || !bytes.Equal(again.data, s.data) {
				t.Errorf("%s: cleaning twice differs: %v", name, err)
			}
		}
	}
}

func TestWhatTheCameraSaidOfTimeAndPlaceIsRead(t *testing.T) {
	inShanghai := time.Date(2026, 8, 31, 8, 20, 30, 0, time.UTC)
	for name, c := range map[string]struct {
		sent  []byte
		taken time.Time
	}{
		"jpeg":                    {cameraJPEG(6), inShanghai},
		"png, with its own zone":  {cameraPNG(6), inShanghai.Add(-time.Hour)},
		"webp":                    {cameraWebP(6), inShanghai},
		"webp, a prefixed block":  {webpFile(chunk{"VP8X", []byte{webpEXIF, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, chunk{"VP8L", webpPicture()[20:33]}, chunk{"EXIF", append([]byte("Exif\x00\x00"), cameraBlock(6, "")...)}), inShanghai},
		"jpeg, EXIF in two parts": {append([]byte("\xff\xd8"+segment(0xe1, "Exif\x00\x00"+string(cameraBlock(6, "")))), cameraJPEG(1)[2:]...), inShanghai},
	} {
		s, err := cleanPicture(c.sent)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !s.said.taken.Equal(c.taken) {
			t.Errorf("%s: taken at %v, want %v", name, s.said.taken, c.taken)
		}
		if s.said.at == nil || math.Abs(s.said.at.Lat-30.81) > 1e-6 || math.Abs(s.said.at.Lon-108.405) > 1e-6 {
			t.Errorf("%s: taken at %v", name, s.said.at)
		}
		if s.said.orientation != 6 {
			t.Errorf("%s: held %d", name, s.said.orientation)
		}
	}
	s, err := cleanPicture(picturePNG(1))
	if err != nil || s.said != (exif{}) {
		t.Errorf("a picture that says nothing: %+v %v", s, err)
	}
}

// refusal is the code with which a picture is refused; "" when it is taken.
func refusal(t testing.TB, sent []byte) string {
	t.Helper()
	_, err := cleanPicture(sent)
	if err == nil {
		return ""
	}
	var rej *rejection
	if !errors.As(err, &rej) {
		t.Fatalf("neither taken nor refused: %v", err)
	}
	return rej.fields["file"].Code
}

func TestWhatIsNoWholePictureIsRefused(t *testing.T) {
	whole := map[string][]byte{"jpeg": cameraJPEG(6), "png": cameraPNG(6), "webp": cameraWebP(6), "simple webp": webpPicture()}
	for name, sent := range whole {
		s, err := cleanPicture(sent)
		if err != nil {
			t.Fatal(name, err)
		}
		for cut := range len(s.data) {
			if code := refusal(t, s.data[:cut]); code != "not_a_picture" {
				t.Fatalf("%s cut off after %d of %d bytes: %q", name, cut, len(s.data), code)
			}
		}
	}
	big := bytes.Clone(cameraPNG(1))
	binary.BigEndian.PutUint32(big[16:], 60000)
	binary.BigEndian.PutUint32(big[20:], 60000)
	binary.BigEndian.PutUint32(big[29:], crc32.ChecksumIEEE(big[12:29]))
	wide := bytes.Clone(cameraJPEG(1))
	frame := bytes.Index(wide, []byte("\xff\xc0"))
	copy(wide[frame+5:], "\xff\xff\xff\xff")
	broken := bytes.Clone(cameraPNG(1))
	broken[20]++
	spoilt := bytes.Clone(cameraPNG(1))
	spoilt[bytes.Index(spoilt, []byte("IDAT"))+20]++
	small := cameraWebP(1) // its canvas says one point, what is in it is larger
	inner := bytes.Index(small, []byte("VP8L"))
	small[inner+9] = 200
	for name, c := range map[string]struct {
		sent []byte
		code string
	}{
		"a page":                              {[]byte("<html>not a picture</html>"), "not_a_picture"},
		"a GIF":                               {[]byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), "not_a_picture"},
		"nothing":                             {nil, "not_a_picture"},
		"a PNG that declares 3.6 gigapixels":  {big, "too_big"},
		"a JPEG that declares 4.3 gigapixels": {wide, "too_big"},
		"a PNG with a damaged head":           {broken, "not_a_picture"},
		"a PNG with damaged data":             {spoilt, "not_a_picture"},
		"a WebP larger than its canvas":       {small, "not_a_picture"},
		"a moving WebP":                       {webpFile(chunk{"VP8X", []byte{webpAnimation, 0, 0, 0, 0, 0, 0, 0, 0, 0}}, chunk{"VP8L", webpPicture()[20:33]}), "not_a_picture"},
	} {
		if got := refusal(t, c.sent); got != c.code {
			t.Errorf("%s: %q, want %q", name, got, c.code)
		}
	}
}

// FuzzPicture: whatever is sent, cleaning does not panic, does not make it longer, leaves no metadata but the orientation,
// and leaves the image as it was.
func FuzzPicture(f *testing.F) {
	for _, orientation := range []byte{1, 6} {
		f.Add(cameraJPEG(orientation))
		f.Add(cameraPNG(orientation))
		f.Add(cameraWebP(orientation))
	}
	f.Add(webpPicture())
	f.Add(picturePNG(1))
	f.Fuzz(func(t *testing.T, sent []byte) {
		s, err := cleanPicture(sent)
		if err != nil {
			refusal(t, sent)
			return
		}
		if len(s.data) > len(sent) {
			t.Fatalf("grew from %d to %d bytes", len(sent), len(s.data))
		}
		for _, name := range tagsOf(s.data) {
			if name != "Orientation" {
				t.Fatalf("stored with %s", name)
			}
		}
		again, err := cleanPicture(s.data)
		if err != nil || !bytes.Equal(again.data, s.data) {
			t.Fatalf("cleaning twice differs: %v", err)
		}
		if config, _, err := image.DecodeConfig(bytes.NewReader(s.data)); err != nil || config.Width*config.Height > 1<<20 {
			return
		}
		before, err := decodePicture(t, sent)
		if err != nil {
			return
		}
		after, err := decodePicture(t, s.data)
		if err != nil || !samePoints(before, after) {
			t.Fatalf("the image has changed: %v", err)
		}
	})
}
