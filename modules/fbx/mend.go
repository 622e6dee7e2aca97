package fbx

import (
	"bytes"
	"encoding/json"
	"os"

	"github.com/millrace/millrace/modules/glb"
)

// mend takes away what FBX2glTF gets wrong and readers can do without: the root of a skeleton that is not above all its joints.
// It returns the skins.
func mend(doc *glb.Document) (skins []int) {
	above := make([]int, len(doc.Nodes)) // the node above each
	for i := range above {
		above[i] = -1
	}
	for i := range doc.Nodes {
		for _, child := range doc.Nodes[i].Children {
			above[child] = i
		}
	}
	for i := range doc.Skins {
		skin := &doc.Skins[i]
		if skin.Skeleton == nil {
			continue
		}
		for _, joint := range skin.Joints {
			for joint != *skin.Skeleton && joint >= 0 {
				joint = above[joint]
			}
			if joint < 0 {
				skin.Skeleton = nil
				skins = append(skins, i)
				break
			}
		}
	}
	return skins
}

// rewrite puts doc, or what was mended of it, in the place of what FBX2glTF wrote.
func (w *work) rewrite(doc *glb.Document, skins []int) error {
	var out bytes.Buffer
	if !w.text {
		if err := doc.Write(&out); err != nil {
			return err
		}
		return os.WriteFile(w.made(), out.Bytes(), 0o600)
	}
	text, err := os.ReadFile(w.made())
	if err != nil {
		return err
	}
	var all map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if err := json.Unmarshal(all["skins"], &list); err != nil {
		return err
	}
	for _, i := range skins {
		delete(list[i], "skeleton")
	}
	if all["skins"], err = json.Marshal(list); err != nil {
		return err
	}
	if text, err = json.Marshal(all); err != nil {
		return err
	}
	return os.WriteFile(w.made(), text, 0o600)
}
