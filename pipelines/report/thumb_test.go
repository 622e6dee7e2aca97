package report_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"regexp"
	"testing"

	_ "image/jpeg"

	"github.com/stretchr/testify/require"

	"github.com/millrace/millrace/modules"
	"github.com/millrace/millrace/pipelines/report"
)

// thumbs are the pictures that stand in a page.
func thumbs(t *testing.T, page string) (all []image.Image) {
	t.Helper()
	for _, m := range regexp.MustCompile(`src="data:image/(?:png|jpeg);base64,([^"]*)"`).FindAllStringSubmatch(page, -1) {
		data, err := base64.StdEncoding.DecodeString(m[1])
		require.NoError(t, err)
		require.LessOrEqual(t, len(data), 64<<10)
		img, _, err := image.Decode(bytes.NewReader(data))
		require.NoError(t, err)
		require.LessOrEqual(t, max(img.Bounds().Dx(), img.Bounds().Dy()), 256)
		all = append(all, img)
	}
	return all
}

func paged(t *testing.T, in report.Input) string {
	t.Helper()
	page, err := report.Config{}.Page(t.Context(), in, "")
	require.NoError(t, err)
	return page
}

// square is a picture of one gray.
func square(side int, gray uint8) image.Image {
	img := image.NewGray(image.Rect(0, 0, side, side))
	for i := range img.Pix {
		img.Pix[i] = gray
	}
	return img
}

func TestModelsAreDrawnBeforeAndAfter(t *testing.T) {
	in := input(t, 1)
	var drawn []string
	in.Draw = func(_ context.Context, model string) (image.Image, error) {
		drawn = append(drawn, model)
		return square(300, uint8(100*len(drawn))), nil
	}
	all := thumbs(t, paged(t, in))
	require.Equal(t, []string{"in/chair.stl", "outputs/chair.glb"}, drawn)
	require.Len(t, all, 3, "the output that is a picture, and both models")
	require.Equal(t, []color.Color{color.NRGBA{100, 100, 100, 255}, color.NRGBA{200, 200, 200, 255}}, []color.Color{
		color.NRGBAModel.Convert(all[1].At(9, 9)), color.NRGBAModel.Convert(all[2].At(9, 9)),
	})

	in = input(t, 1)
	in.Draw = func(context.Context, string) (image.Image, error) { return nil, errors.New("it has no triangle") }
	require.Len(t, thumbs(t, paged(t, in)), 1, "a model that can't be drawn is no picture, and no error")
}

func TestAFileThatIsAnotherOneNowHasNoPicture(t *testing.T) {
	in := input(t, 1)
	in.Draw = func(context.Context, string) (image.Image, error) { return square(10, 1), nil }
	require.NoError(t, in.Workspace.WriteFile("in/chair.stl", []byte("another")))
	require.NoError(t, in.Workspace.Remove("outputs/chair.glb"))
	require.Len(t, thumbs(t, paged(t, in)), 1)
}

func TestPicturesThatAreNotPublishedAreShownToo(t *testing.T) {
	in := input(t, 2)
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, square(500, 77)))
	require.NoError(t, in.Workspace.WriteFile("shot.png", b.Bytes()))
	published, err := in.Workspace.Stat("outputs/views/front view.png")
	require.NoError(t, err)
	in.Run.Tasks[1].Made = []modules.File{{Path: "shot.png", Bytes: int64(b.Len())}, {Path: "outputs/views/../views/front view.png", Bytes: published.Size()}}
	page := paged(t, in)
	require.Len(t, thumbs(t, page), 2, "and one that is published once")
	require.Contains(t, page, `alt="shot.png"`)
	require.NotContains(t, page, `href="shot.png"`, "there is nothing to lead to")
}

func TestPicturesInThePageAreFew(t *testing.T) {
	in := input(t, 1)
	noise := image.NewNRGBA(image.Rect(0, 0, 96, 96)) // with transparency, and incompressible
	for i := range noise.Pix {
		noise.Pix[i] = uint8(i * i >> 3 * 2654435761 >> 7)
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, noise))
	for i := range 14 {
		require.NoError(t, in.Workspace.WriteFile(fmt.Sprintf("outputs/%02d.png", i), b.Bytes()))
	}
	require.NoError(t, in.Workspace.WriteFile("outputs/00.png", []byte("no picture")))
	page := paged(t, in)
	require.Len(t, thumbs(t, page), 12)
	require.Contains(t, page, `<img src="00.png"`, "what has none is left to the browser")
	require.Contains(t, page, `<img src="13.png"`)
	require.Less(t, len(page), 1<<20+64<<10)
}

func TestAPictureThatLiesAboutItsSizeIsNotRead(t *testing.T) {
	in := input(t, 1)
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, square(8, 1)))
	data := b.Bytes()
	copy(data[16:24], []byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff}) // 65535 x 65535, and the sum that goes with it
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	head, err := png.DecodeConfig(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, 65535, head.Width)
	require.NoError(t, in.Workspace.WriteFile("outputs/views/front view.png", data))
	require.Empty(t, thumbs(t, paged(t, in)))
}
