package hooks

import "math"

// What the coordinates of a file may be in. Everything stored is WGS-84, as phones measure it; maps sold in China shift it
// (GCJ-02: 高德, 腾讯), one of them once more (BD-09: 百度), by some 500 m.
const (
	WGS84 = "WGS-84"
	GCJ02 = "GCJ-02"
	BD09  = "BD-09"
)

// China's bounds in degrees, roughly: enough to tell a slip of the hand.
const (
	west, east   = 73.0, 136.0
	south, north = 3.0, 54.0
)

// CheckPoint says what is wrong with a place in degrees: coordinates_swapped when latitude and longitude were exchanged,
// coordinates_outside when it lies outside China; nil for a place in China, and for 0, 0, which stands for no place at all.
func CheckPoint(lon, lat float64) error {
	switch {
	case lon == 0 && lat == 0:
		return nil
	case inChina(lon, lat):
		return nil
	case inChina(lat, lon):
		return Err("coordinates_swapped")
	}
	return Err("coordinates_outside")
}

func inChina(lon, lat float64) bool {
	return lon >= west && lon <= east && lat >= south && lat <= north
}

// ToWGS84 turns degrees of one of the systems above into WGS-84, to about a decimetre. ok is false for a system not known.
func ToWGS84(lon, lat float64, system string) (lonOut, latOut float64, ok bool) {
	switch system {
	case WGS84:
		return lon, lat, true
	case BD09:
		x, y := lon-0.0065, lat-0.006
		z := math.Hypot(x, y) - 0.00002*math.Sin(y*math.Pi*3000/180)
		theta := math.Atan2(y, x) - 0.000003*math.Cos(x*math.Pi*3000/180)
		lon, lat = z*math.Cos(theta), z*math.Sin(theta)
	case GCJ02:
	default:
		return lon, lat, false
	}
	// The shift has no inverse in closed form: what is shifted onto the given point is found by steps, each some hundred times closer.
	lonOut, latOut = lon, lat
	for range 8 {
		dx, dy := gcjShift(lonOut, latOut)
		lonOut, latOut = lon-dx, lat-dy
	}
	return lonOut, latOut, true
}

// gcjShift is how far GCJ-02 moves a WGS-84 point, in degrees, on the ellipsoid of Krasovsky 1940.
func gcjShift(lon, lat float64) (dLon, dLat float64) {
	const a, ee = 6378245.0, 0.00669342162296594323
	x, y := lon-105, lat-35
	waves := (20*math.Sin(6*x*math.Pi) + 20*math.Sin(2*x*math.Pi)) * 2 / 3
	dLat = -100 + 2*x + 3*y + 0.2*y*y + 0.1*x*y + 0.2*math.Sqrt(math.Abs(x)) + waves +
		(20*math.Sin(y*math.Pi)+40*math.Sin(y/3*math.Pi))*2/3 + (160*math.Sin(y/12*math.Pi)+320*math.Sin(y*math.Pi/30))*2/3
	dLon = 300 + x + 2*y + 0.1*x*x + 0.1*x*y + 0.1*math.Sqrt(math.Abs(x)) + waves +
		(20*math.Sin(x*math.Pi)+40*math.Sin(x/3*math.Pi))*2/3 + (150*math.Sin(x/12*math.Pi)+300*math.Sin(x/30*math.Pi))*2/3
	rad := lat / 180 * math.Pi
	magic := 1 - ee*math.Sin(rad)*math.Sin(rad)
	dLat = dLat * 180 / (a * (1 - ee) / (magic * math.Sqrt(magic)) * math.Pi)
	dLon = dLon * 180 / (a / math.Sqrt(magic) * math.Cos(rad) * math.Pi)
	return dLon, dLat
}
