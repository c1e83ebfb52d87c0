package main

import (
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"
)

const (
	home       = "https://github.com/alkdev/alknet"
	supplier   = "The alknet authors"
	noAssert   = "NOASSERTION"
	documentID = common.ElementID("DOCUMENT")
)

// release is what one bill of materials describes.
type release struct {
	version, commit string
	when            time.Time
	artifacts       []artifact
}

// artifact is a file that people download.
type artifact struct {
	name, sha256, platform string
	modules                []module
}

// add describes file, which holds binary.
func (r *release) add(file, binary string) error {
	a := artifact{name: filepath.Base(file)}
	var err error
	if a.sha256, err = sha256File(file); err != nil {
		return fmt.Errorf("read artifact: %w", err)
	}
	if a.modules, a.platform, err = linked(binary); err != nil {
		return err
	}
	r.artifacts = append(r.artifacts, a)
	return nil
}

func (r *release) write(file string) error {
	return create(file, func(w io.Writer) error {
		return spdxjson.Write(r.document(), w, spdxjson.Indent(" "), spdxjson.EscapeHTML(false))
	})
}

// document is SPDX 2.3: the document describes each artifact, and each artifact
// contains the modules that its binary links.
func (r *release) document() *v2_3.Document {
	name := "alknet-" + r.version
	doc := &v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: documentID,
		DocumentName:      name,
		DocumentNamespace: home + "/spdx/" + name + "-" + r.commit,
		CreationInfo: &v2_3.CreationInfo{
			Created:  r.when.Format(time.RFC3339),
			Creators: []common.Creator{{CreatorType: "Organization", Creator: supplier}, {CreatorType: "Tool", Creator: "alknet-scripts-packaging"}},
		},
	}
	seen := map[common.ElementID]bool{}
	var parts []*v2_3.Package
	for _, a := range r.artifacts {
		id := elementID("Artifact", a.name)
		doc.Packages = append(doc.Packages, r.artifactPackage(id, a))
		doc.Relationships = append(doc.Relationships, relation(documentID, common.TypeRelationshipDescribe, id))
		for _, m := range a.modules {
			part := r.modulePackage(m)
			if !seen[part.PackageSPDXIdentifier] {
				seen[part.PackageSPDXIdentifier] = true
				parts = append(parts, part)
			}
			doc.Relationships = append(doc.Relationships, relation(id, common.TypeRelationshipContains, part.PackageSPDXIdentifier))
		}
	}
	slices.SortFunc(parts, func(a, b *v2_3.Package) int {
		return strings.Compare(string(a.PackageSPDXIdentifier), string(b.PackageSPDXIdentifier))
	})
	doc.Packages = append(doc.Packages, parts...)
	return doc
}

func (r *release) artifactPackage(id common.ElementID, a artifact) *v2_3.Package {
	var concluded []string
	for _, m := range a.modules {
		expression := m.licence
		if strings.Contains(expression, " OR ") {
			expression = "(" + expression + ")"
		}
		concluded = append(concluded, strings.Split(expression, " AND ")...)
	}
	slices.Sort(concluded)
	return &v2_3.Package{
		PackageName: "alknet", PackageSPDXIdentifier: id, PackageVersion: r.version, PackageFileName: a.name,
		PackageSupplier:         &common.Supplier{SupplierType: "Organization", Supplier: supplier},
		PackageDownloadLocation: "git+" + home + "@" + r.commit, PackageHomePage: home,
		PackageChecksums:        []common.Checksum{{Algorithm: common.SHA256, Value: a.sha256}},
		PackageLicenseConcluded: strings.Join(slices.Compact(concluded), " AND "), PackageLicenseDeclared: ownLicence,
		PackageCopyrightText: noAssert, PrimaryPackagePurpose: "APPLICATION",
		PackageSummary: "For " + a.platform, ReleaseDate: r.when.Format(time.RFC3339),
	}
}

func (r *release) modulePackage(m module) *v2_3.Package {
	version, from := m.version, "https://pkg.go.dev/"+m.path+"@"+m.version
	if m.own {
		version = "v" + r.version
		from = "git+" + home + "@" + r.commit
	}
	if m.path == "std" {
		from = "https://go.dev/dl/go" + m.version + ".src.tar.gz"
	}
	p := &v2_3.Package{
		PackageName: m.path, PackageSPDXIdentifier: elementID("Module", m.path+"-"+version), PackageVersion: version,
		PackageDownloadLocation: from,
		PackageLicenseConcluded: m.licence, PackageLicenseDeclared: m.licence, PackageCopyrightText: noAssert,
		PackageExternalReferences: []*v2_3.PackageExternalReference{{
			Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: "pkg:golang/" + m.path + "@" + version,
		}},
		PrimaryPackagePurpose: "LIBRARY",
	}
	if m.sum != "" {
		p.PackageSourceInfo = "go.sum " + m.sum
	}
	return p
}

func relation(a common.ElementID, kind string, b common.ElementID) *v2_3.Relationship {
	return &v2_3.Relationship{RefA: common.DocElementID{ElementRefID: a}, RefB: common.DocElementID{ElementRefID: b}, Relationship: kind}
}

// notID is what an identifier may not hold (SPDX 2.3 section 7.2).
var notID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func elementID(kind, name string) common.ElementID {
	return common.ElementID(kind + "-" + notID.ReplaceAllString(name, "-"))
}
